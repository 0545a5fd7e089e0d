"""Records as CSV and back: the fields of a dataclass, laid flat, are the columns."""

import csv
import io
import math
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from harness.errors import BadInput
from harness.model import Comparison, Summary

Record = TypeVar("Record")
RATES = ("rps", "rps_lo", "rps_hi")
CAPACITIES = ("capacity_rps", "capacity_rps_lo", "capacity_rps_hi")
"""The same numbers again, where they are a capacity."""
RATIOS = ("ratio", "lo", "hi")


def columns(kind: type) -> list[str]:
    """Return the column names of a dataclass; those of one inside it stand in its place."""
    hints = typing.get_type_hints(kind)
    names: list[str] = []
    for each in fields(kind):
        inner: Any = hints[each.name]
        names += columns(inner) if _is_record(inner) else [each.name]
    return names


def values(record: Any) -> list[Any]:
    """Return the values of `record` in the order of `columns`."""
    row: list[Any] = []
    for each in fields(record):
        value = getattr(record, each.name)
        row += values(value) if is_dataclass(value) else [value]
    return row


def lines(rows: Iterable[Sequence[Any]]) -> str:
    """Return `rows` as CSV lines; None is an empty field."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([_text(value) for value in row] for row in rows)
    return out.getvalue()


def table(kind: type, rows: Iterable[Sequence[Any]]) -> str:
    """Return a whole CSV file: the columns of `kind`, then `rows`."""
    return lines([columns(kind), *rows])


def parse(kind: type[Record], text: str, name: str) -> list[Record]:
    """Read what `table` wrote. An unfinished last line (a crash while appending) is left out.

    Raises `BadInput` that names the file `name` and the line for anything else.
    """
    whole = text[: text.rfind("\n") + 1]
    reader = csv.reader(io.StringIO(whole, newline=""))
    header = columns(kind)
    try:
        if next(reader, None) != header:
            raise BadInput(f"{name}: its columns are not those of this version of the harness")
        return [_build(kind, _named(header, row)) for row in reader]
    except (ValueError, csv.Error) as error:
        raise BadInput(f"{name}: line {reader.line_num}: {error}") from None


def summary_row(summary: Summary) -> list[Any]:
    """Return a row of `cells.csv`: req/s to the digits its interval supports, the rest to three.

    The key is left as it is: cells are found by it.
    """
    places = supported_places(summary.rps, summary.rps_lo, summary.rps_hi)
    key = values(summary.key)
    measured = zip(columns(Summary)[len(key) :], values(summary)[len(key) :], strict=True)
    return key + [
        round_to(value, places) if name in (*RATES, *CAPACITIES) else _significant(value)
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
    places = max(places, 1 - math.floor(math.log10(abs(value))))
    return round(value, places) if places > 0 else int(round(value, places))


def _significant(value: Any, digits: int = 3) -> Any:
    if not isinstance(value, float) or value == 0:
        return value
    return round_to(value, digits - 1 - math.floor(math.log10(abs(value))))


def _is_record(hint: Any) -> bool:
    return isinstance(hint, type) and is_dataclass(hint)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    assert math.isfinite(value)  # what could not be measured is None
    return f"{value:.6g}"


def _named(header: Sequence[str], row: Sequence[str]) -> dict[str, str]:
    if len(row) != len(header):
        raise ValueError(f"expected {len(header)} fields, got {len(row)}")
    return dict(zip(header, row, strict=True))


def _build(kind: type[Record], row: Mapping[str, str]) -> Record:
    hints = typing.get_type_hints(kind)
    made = {}
    for each in fields(kind):  # type: ignore[arg-type]
        inner = hints[each.name]
        made[each.name] = (
            _build(inner, row) if _is_record(inner) else _value(inner, row[each.name], each.name)
        )
    return kind(**made)


def _value(hint: Any, text: str, name: str) -> Any:
    if typing.get_origin(hint) is typing.Literal:
        if text not in typing.get_args(hint):
            raise ValueError(f"{name}: {text!r} is none of {', '.join(typing.get_args(hint))}")
        return text
    kinds = typing.get_args(hint) if typing.get_origin(hint) is types.UnionType else (hint,)
    if types.NoneType in kinds and text == "":
        return None
    kind = next(kind for kind in kinds if kind is not types.NoneType)
    try:
        value = kind(text)
    except ValueError:
        raise ValueError(f"{name}: expected a number, got {text!r}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, got {text!r}")
    return value
