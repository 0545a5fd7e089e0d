"""The wall time a run may take: what its blocks took so far, and whether one more fits."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness import ceilings, plan, probes
from harness.matrix import Matrix
from harness.model import Observation, Setting

BLOCK_OVERHEAD_S = 3.0
"""What a block takes beside its load, until the first one has shown it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run is: block `number` of at most `most`, and how its budget stands."""

    number: int
    most: int
    elapsed_s: float
    budget_s: float
    eta_s: float


class Budget:
    """The run's wall time: what blocks took so far, and whether one more fits."""

    def __init__(self, matrix: Matrix, began: float) -> None:
        self._matrix = matrix
        self._began = began
        self._took_s: dict[tuple[int, bool, float], list[float]] = {}
        self.load_s = 0.0

    def allows(self, setting: Setting) -> bool:
        """Whether a block of `setting` is likely to end within the budget."""
        return self._elapsed_s() + self._expected_s(setting) <= self._matrix.run.budget

    @contextlib.contextmanager
    def spending(self, setting: Setting) -> Iterator[None]:
        """Note how long the block in the context takes."""
        start = time.monotonic()
        yield
        self._took_s.setdefault(self._kind(setting), []).append(time.monotonic() - start)

    def loaded(self, rows: Sequence[Observation]) -> None:
        """Add the warm-up and the slices that the cells of a block were given."""
        for row in rows:
            if row.slice_ms is not None:
                rounds = self._matrix.group(row.key.group).rounds
                warmup_s = rounds * ceilings.share(row.key) * self._matrix.run.warmup
                self.load_s += warmup_s + row.slices * row.slice_ms / 1000
            # The last of them is the verification, whose slices have just been counted.
            tried = probes.decode(row.capacity.capacity_probes)[:-1]
            self.load_s += sum(each.took_s for each in tried)

    def standing(self, number: int, setting: Setting) -> Standing:
        """Return where block `number` stands; the run ends by budget or by its last block."""
        run = self._matrix.run
        most = run.max_blocks * len(plan.settings(self._matrix))
        # Blocks that repeat a disturbed one come on top of the most.
        left_s = max(1, most - number + 1) * self._expected_s(setting)
        elapsed_s = self._elapsed_s()
        return Standing(number, most, elapsed_s, run.budget, min(left_s, run.budget - elapsed_s))

    def _expected_s(self, setting: Setting) -> float:
        known = self._took_s.get(self._kind(setting))
        if known:
            return sum(known) / len(known)
        return plan.block_s(self._matrix, setting, BLOCK_OVERHEAD_S)

    def _kind(self, setting: Setting) -> tuple[int, bool, float]:
        """Return what decides how long a block takes: how many stacks, if it searches, how far."""
        group = self._matrix.group(setting.group)
        stacks = len(plan.stacks(self._matrix, setting))
        return stacks, group.slo is not None, setting.rtt_ms

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began
