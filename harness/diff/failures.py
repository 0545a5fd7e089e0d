"""Cells that fail now and did not, or the other way round. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness import stats
from harness.diff.side import Cell, Side
from harness.diff.welch import mean, shift
from harness.model import Key, Outcome
from harness.thresholds import CONFIDENCE, MAX_ERROR_PCT


@dataclass(frozen=True, slots=True)
class Failures:
    """One cell's outcome and errors on both sides; `rose` when there provably are more."""

    key: Key
    outcome_a: Outcome
    outcome_b: Outcome
    error_pct_a: float
    error_pct_b: float
    rose: bool
    fell: bool

    @property
    def lost(self) -> bool:
        """Whether the cell had a number and has none any more."""
        return self.outcome_a == "ok" and self.outcome_b != "ok"

    @property
    def changed(self) -> bool:
        """Whether there is anything to say."""
        return self.outcome_a != self.outcome_b or self.rose or self.fell


def failures(a: Side, b: Side, keys: Sequence[Key]) -> list[Failures]:
    """Return outcome and errors of each of the cells `keys`, which both sides have."""
    shifts = {
        key: shift(mean(a.cells[key].error_pcts), mean(b.cells[key].error_pcts)) for key in keys
    }
    family = [(p, key) for key, found in shifts.items() if (p := found.p) is not None]
    proven = stats.holm(family, 1 - CONFIDENCE)
    rows = []
    for key, found in shifts.items():
        before, after = a.cells[key], b.cells[key]
        rows.append(
            Failures(
                key=key,
                outcome_a=before.outcome,
                outcome_b=after.outcome,
                error_pct_a=before.error_pct,
                error_pct_b=after.error_pct,
                rose=(key in proven and found.size > 0) or _all_fail_now(before, after),
                fell=(key in proven and found.size < 0) or _all_fail_now(after, before),
            )
        )
    return rows


def _all_fail_now(before: Cell, after: Cell) -> bool:
    """Whether no block had errors to speak of, and now every block has.

    Few blocks prove little to Welch, but this does not happen by chance.
    """
    return max(before.error_pcts) <= MAX_ERROR_PCT < min(after.error_pcts)
