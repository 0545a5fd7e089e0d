"""Records as CSV: the fields of a dataclass, laid flat, are the columns."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

from harness.columns import columns, values
from harness.model import Comparison, Summary

RATES = ("rps", "rps_lo", "rps_hi")
CAPACITIES = ("capacity_rps", "capacity_rps_lo", "capacity_rps_hi")
"""The same numbers again, where they are a capacity."""
AS_RATES = frozenset((*RATES, *CAPACITIES))
RATIOS = ("ratio", "lo", "hi")


def lines(rows: Iterable[Sequence[Any]]) -> str:
    """Return `rows` as CSV lines; None is an empty field."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows(
        [_text(value) if isinstance(value, float) else value for value in row] for row in rows
    )
    return out.getvalue()


def table(kind: type, rows: Iterable[Sequence[Any]]) -> str:
    """Return a whole CSV file: the columns of `kind`, then `rows`."""
    return lines([columns(kind), *rows])


def summary_row(summary: Summary) -> list[Any]:
    """Return a row of `cells.csv`: req/s to the digits its interval supports, the rest to three.

    The key is left as it is: cells are found by it.
    """
    places = supported_places(summary.rps, summary.rps_lo, summary.rps_hi)
    key = values(summary.key)
    measured = zip(columns(Summary)[len(key) :], values(summary)[len(key) :], strict=True)
    return key + [
        round_to(value, places) if name in AS_RATES else significant(value)
        for name, value in measured
    ]


def comparison_row(pair: Comparison) -> list[Any]:
    """Return a row of `pairs.csv`, its numbers to the digits the interval supports."""
    places = supported_places(pair.ratio, pair.lo, pair.hi)
    return [
        round_to(value, places) if name in RATIOS else value
        for name, value in zip(columns(Comparison), values(pair), strict=True)
    ]


def supported_places(value: float | None, lo: float | None, hi: float | None) -> int:
    """Return the decimal places at which `value` still says something.

    Two digits of the half-width, yet at least two and at most six of the value (what
    `blocks.csv` holds); three of the value when it has no interval. Negative places
    round before the point.
    """
    if not value:
        return 0
    first = -math.floor(math.log10(abs(value)))
    if lo is None or hi is None or hi <= lo:
        return first + 2
    return min(max(first + 1, 1 - math.floor(math.log10((hi - lo) / 2))), first + 5)


def round_to(value: float | None, places: int) -> float | int | None:
    """Round to `places` decimals, yet never below two digits; a whole number when none are left.

    An interval wider than its number would otherwise leave a 0 where something was measured.
    """
    if not value:
        return value if value is None else 0
    return _rounded(value, max(places, 1 - math.floor(math.log10(abs(value)))))


def significant(value: Any, digits: int = 3) -> Any:
    """Round a float to so many digits, a large one to a whole number; leave all else."""
    if not isinstance(value, float) or value == 0:
        return value
    return _rounded(value, digits - 1 - math.floor(math.log10(abs(value))))


def _rounded(value: float, places: int) -> float | int:
    return round(value, places) if places > 0 else int(round(value, places))


def _text(value: float) -> str:
    assert math.isfinite(value)  # what could not be measured is None
    return f"{value:.6g}"
