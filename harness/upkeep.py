"""When the files that are computed from a run's blocks are written again."""

import contextlib
import time
from collections.abc import Callable, Iterator

MOST = 0.05
"""Share of a run's time: of ten thousand cells they take seconds, after blocks of some twenty."""


class Upkeep:
    """After every block, unless that would take more than `MOST` of the time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due = clock()

    @property
    def due(self) -> bool:
        """Whether it is time."""
        return self._clock() >= self._due

    @contextlib.contextmanager
    def spending(self) -> Iterator[None]:
        """Note how long writing them takes in the context."""
        start = self._clock()
        yield
        self._due = self._clock() + (self._clock() - start) / MOST
