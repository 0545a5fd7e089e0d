"""Several comparisons held to one level of error."""

from collections.abc import Sequence
from typing import TypeVar

Name = TypeVar("Name")


def holm(family: Sequence[tuple[float, Name]], level: float) -> set[Name]:
    """Return which of (p-value, name) are shown at `level` for all of them together (1979)."""
    shown: set[Name] = set()
    for rank, (p, name) in enumerate(sorted(family, key=lambda each: each[0])):
        if p > level / (len(family) - rank):
            break
        shown.add(name)
    return shown
