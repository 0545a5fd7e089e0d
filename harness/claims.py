"""Do the claims of a matrix hold in what was found? Pure.

A bound is kept, or broken, by the whole of a figure's interval where it has one; where
the interval lies across it, nothing can be said.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from harness import plan
from harness.columns import columns, values
from harness.findings import Findings
from harness.matrix import Claim, Expectation, Matrix
from harness.model import Comparison, Key, Summary

Verdict = Literal["holds", "does not hold", "cannot be said"]

INTERVALS = {
    "rps": ("rps_lo", "rps_hi"),
    "capacity_rps": ("capacity_rps_lo", "capacity_rps_hi"),
    "rss_growth_kib_per_1000": ("rss_growth_lo", "rss_growth_hi"),
}
"""Columns with an interval of their own, and where it is."""

NO_CELL = "no cell of this matrix"
UNMEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its interval; of text, and of what has none, both ends are the value."""

    value: float | str
    lo: float | None = None
    hi: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One cell's figure beside what was published. `met` is None where nothing can be said."""

    cell: str
    what: str
    published: float | str | None
    here: Figure | None
    missing: str
    wanted: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim, the verdict on it, and the figures behind that."""

    claim: Claim
    verdict: Verdict
    lines: Sequence[Line]

    @property
    def sentence(self) -> str:
        """The claim with its verdict."""
        return f"{self.verdict.capitalize()}: {self.claim.says}"


def judged(matrix: Matrix, found: Findings) -> list[Judged]:
    """Return every claim of `matrix` with its verdict, in its order."""
    cells = plan.cells(matrix) if matrix.claims else []
    return [_judge(claim, cells, found) for claim in matrix.claims]


def _judge(claim: Claim, cells: Sequence[Key], found: Findings) -> Judged:
    lines = [line for each in claim.expect for line in _lines(each, cells, found)]
    decisive = [line.met for line in lines if line.wanted]
    verdict: Verdict = "cannot be said"
    if decisive and all(decisive):
        verdict = "holds"
    elif False in decisive:
        verdict = "does not hold"
    return Judged(claim, verdict, lines)


def _lines(expectation: Expectation, cells: Sequence[Key], found: Findings) -> Iterator[Line]:
    what = expectation.column + _over_text(expectation)
    wanted = _wanted_text(expectation)
    matching = [key for key in cells if _matches(key, expectation.cell)]
    if not matching:
        name = ", ".join(f"{name} {value}" for name, value in expectation.cell.items())
        yield Line(name, what, expectation.published, None, NO_CELL, wanted, None)
    for key in matching:
        here = _figure(expectation, key, cells, found)
        missing = "" if here is not None else _why_not(found.summaries.get(key))
        met = None if here is None else _met(expectation, here)
        yield Line(_name(key, found), what, expectation.published, here, missing, wanted, met)


def _figure(
    expectation: Expectation, key: Key, cells: Sequence[Key], found: Findings
) -> Figure | None:
    own = _of(found.summaries.get(key), expectation.column)
    if expectation.over is None or own is None:
        return own
    divisor = _other(key, expectation.over, cells)
    if divisor is None:
        return None
    pair = _pair(found, key, divisor, expectation.column)
    if pair is not None and pair.ratio is not None:
        return Figure(pair.ratio, pair.lo, pair.hi)
    other = _of(found.summaries.get(divisor), expectation.column)
    if other is None or not isinstance(own.value, float) or not isinstance(other.value, float):
        return None
    return Figure(own.value / other.value) if other.value else None


def _of(summary: Summary | None, column: str) -> Figure | None:
    if summary is None:
        return None
    row: Mapping[str, Any] = dict(zip(columns(Summary), values(summary), strict=True))
    value = row[column]
    if isinstance(value, str):
        return Figure(value) if value else None
    if value is None:
        return None
    lo, hi = (row[name] for name in INTERVALS.get(column, (column, column)))
    return Figure(float(value), lo, hi)


def _pair(found: Findings, key: Key, divisor: Key, column: str) -> Comparison | None:
    """Return the comparison of the two that was made block by block, if there is one."""
    if key.setting != divisor.setting or found.baselines.get(key.setting) != divisor.stack:
        return None
    pairs = found.by_setting[key.setting].comparisons
    return next((each for (one, name), each in pairs.items() if (one, name) == (key, column)), None)


def _other(key: Key, over: Mapping[str, object], cells: Sequence[Key]) -> Key | None:
    """Return the cell that is as `key` but for what `over` says."""
    named = {each.name: getattr(key, each.name) for each in fields(key)} | dict(over)
    if "stack" in over:  # they go with it
        del named["adapter"], named["lane"]
    return next((each for each in cells if _matches(each, named)), None)


def _matches(key: Key, named: Mapping[str, object]) -> bool:
    return all(getattr(key, name) == value for name, value in named.items())


def _met(expectation: Expectation, here: Figure) -> bool | None:
    if expectation.equals is not None:
        return here.value == expectation.equals
    if isinstance(here.value, str):
        return None
    lo = here.value if here.lo is None else here.lo
    hi = here.value if here.hi is None else here.hi
    least, most = expectation.least, expectation.most
    if (least is not None and hi < least) or (most is not None and lo > most):
        return False
    if (least is not None and lo < least) or (most is not None and hi > most):
        return None
    return True


def _why_not(summary: Summary | None) -> str:
    if summary is None:
        return UNMEASURED
    return UNMEASURED if summary.outcome == "ok" else summary.outcome


def _name(key: Key, found: Findings) -> str:
    setting = found.names.get(key.setting, key.endpoint)
    return f"{key.stack}, {setting}"


def _over_text(expectation: Expectation) -> str:
    if expectation.over is None:
        return ""
    return " over that of " + ", ".join(
        str(value) if name == "stack" else f"{name} {value}"
        for name, value in expectation.over.items()
    )


def _wanted_text(expectation: Expectation) -> str:
    parts = [
        f"{word} {value:g}"
        for word, value in (("at least", expectation.least), ("at most", expectation.most))
        if value is not None
    ]
    if expectation.equals is not None:
        parts.append(expectation.equals)
    return ", ".join(parts)
