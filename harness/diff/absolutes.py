"""Absolute numbers of two runs side by side, where they may be. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness import stats
from harness.diff.side import MEASURES, Cell, Measure, Side
from harness.diff.welch import Mean, Shift, mean, shift
from harness.model import Key
from harness.thresholds import CONFIDENCE


@dataclass(frozen=True, slots=True)
class Absolute:
    """One cell's absolute numbers: means over blocks and their shift, on the log scale."""

    key: Key
    measure: Measure
    a: Mean
    b: Mean
    shift: Shift
    proven: bool = False


def absolutes(a: Side, b: Side, keys: Sequence[Key]) -> list[Absolute]:
    """Return every number that both sides have of the cells `keys`, a family a measure."""
    rows = [
        Absolute(key, measure, before, after, shift(before, after))
        for key in keys
        for measure in MEASURES
        if (before := _level(a.cells[key], measure)) and (after := _level(b.cells[key], measure))
    ]
    family = {
        measure: [
            (p, row.key)
            for row in rows
            if row.measure == measure and (p := row.shift.p) is not None
        ]
        for measure in MEASURES
    }
    proven = {measure: stats.holm(each, 1 - CONFIDENCE) for measure, each in family.items()}
    return [replace(row, proven=True) if row.key in proven[row.measure] else row for row in rows]


def _level(cell: Cell, measure: Measure) -> Mean | None:
    """Return the mean log over blocks; None when a block has nothing, or not one good answer."""
    logs = list(cell.logs[measure].values())
    if cell.outcome != "ok" or len(logs) < len(cell.error_pcts):
        return None
    return mean(logs) if all(map(math.isfinite, logs)) else None
