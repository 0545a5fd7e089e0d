"""Records as CSV and back: the fields of a dataclass, laid flat, are the columns."""

import csv
import io
import math
import operator
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from harness.columns import columns, is_record, values
from harness.errors import BadInput
from harness.model import Comparison, Errors, Key, Summary

Record = TypeVar("Record")
RATES = ("rps", "rps_lo", "rps_hi")
CAPACITIES = ("capacity_rps", "capacity_rps_lo", "capacity_rps_hi")
"""The same numbers again, where they are a capacity."""
RATIOS = ("ratio", "lo", "hi")
REPEATED = frozenset({Key, Errors})
"""Records of which a table holds few that differ: each is made once."""
LATER = frozenset({"options"})
"""Key columns that tables were written without before there was such an axis: empty there."""
UNFINISHED = "is unfinished"
"""What is wrong with a last line without an end: it was being written in a crash."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """A line that is not as it was written, and why."""

    line: int
    why: str


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
    """Read what `table` wrote: see `parsed`."""
    return list(parsed(kind, io.StringIO(text, newline="\n"), name))


def parsed(kind: type[Record], lines: Iterable[str], name: str) -> Iterator[Record]:
    """Yield the records of what `table` wrote, but for an unfinished last line (a crash).

    Raises `BadInput` that names the file `name` and the line for anything else.
    """
    rest = iter(lines)
    header = columns(kind)
    if _split(next(rest, "")) != header:
        raise BadInput(f"{name}: its columns are not those of this version of the harness")
    make = _maker(kind, header)
    for number, line in enumerate(rest, 2):
        if not line.endswith("\n"):
            return
        try:
            yield make(_split(line))
        except (ValueError, csv.Error) as error:
            raise BadInput(f"{name}: line {number}: {error}") from None


def scan(
    kind: type[Record], of: type, lines: Iterable[str], name: str
) -> Iterator[Record | Damaged]:
    """Yield a record, or why there is none, for every line after the heading.

    `lines` are those of a table of `of`, of whose columns `kind` needs some, found by their
    names: what is not needed is neither read nor kept, and may be another version's, unless
    `kind` is `of` itself. Each line is read for itself, so that a stray quote spoils no more
    than its own. Raises `BadInput` that names the file `name` when it is no such table.
    """
    rest = iter(lines)
    found = _split(next(rest, ""))
    lacking = [each for each in columns(kind) if each not in found]
    if not LATER.issuperset(lacking) or (kind is of and found != columns(of)):
        raise BadInput(f"{name}: {_other_columns(lacking, found, of)}")
    make = _maker(kind, [*found, *lacking])
    later = [""] * len(lacking)
    for number, line in enumerate(rest, 2):
        try:
            whole = line.endswith("\n")
            yield make(_split(line) + later) if whole else Damaged(number, UNFINISHED)
        except (ValueError, csv.Error) as error:
            yield Damaged(number, str(error))


def _split(line: str) -> list[str]:
    if '"' in line:
        return next(csv.reader((line,)), [])
    return line.rstrip("\r\n").split(",")  # the same, five times as fast


def _other_columns(lacking: Sequence[str], found: Sequence[str], of: type) -> str:
    known = columns(of)
    without, unknown = ", ".join(lacking), ", ".join(each for each in found if each not in known)
    parts = [
        f"{word} {names if len(names) < 80 else names[:80] + '...'}"
        for word, names in (("without", without), ("with", unknown))
        if names
    ]
    how = "; ".join(parts) or "in another order"
    return (
        f"its columns are not those of this version of the harness ({how}): "
        "measure again with this version, or read it with the one that wrote it"
    )


def summary_row(summary: Summary) -> list[Any]:
    """Return a row of `cells.csv`: req/s to the digits its interval supports, the rest to three.

    The key is left as it is: cells are found by it.
    """
    places = supported_places(summary.rps, summary.rps_lo, summary.rps_hi)
    key = values(summary.key)
    measured = zip(columns(Summary)[len(key) :], values(summary)[len(key) :], strict=True)
    return key + [
        round_to(value, places) if name in (*RATES, *CAPACITIES) else significant(value)
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


def significant(value: Any, digits: int = 3) -> Any:
    """Round a float to so many digits, a large one to a whole number; leave all else."""
    if not isinstance(value, float) or value == 0:
        return value
    return round_to(value, digits - 1 - math.floor(math.log10(abs(value))))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    assert math.isfinite(value)  # what could not be measured is None
    return f"{value:.6g}"


def _maker(kind: type[Record], header: Sequence[str]) -> Callable[[Sequence[str]], Record]:
    """Return what makes a `kind` of a row under `header`.

    Types are looked up here, once: a results folder may have a hundred thousand rows.
    """
    names = columns(kind)
    pick = operator.itemgetter(*(header.index(name) for name in names))
    build = _builder(kind)

    def make(row: Sequence[str]) -> Record:
        if len(row) != len(header):
            raise ValueError(f"expected {len(header)} fields, got {len(row)}")
        try:
            return build(pick(row))
        except ValueError:  # once more, slowly: which column was it?
            for name, read, text in zip(names, _readers(kind), pick(row), strict=True):
                _named(name, read, text)
            raise

    return make


def _builder(kind: type[Record]) -> Callable[[Sequence[str]], Record]:
    """Return what makes a `kind` of the texts of its columns; ValueError for bad text."""
    hints = typing.get_type_hints(kind)
    parts: list[tuple[Callable[[Any], Any], int | slice]] = []
    start = 0
    for each in fields(kind):  # type: ignore[arg-type]
        inner: Any = hints[each.name]
        if is_record(inner):
            stop = start + len(columns(inner))
            parts.append((_builder(inner), slice(start, stop)))
            start = stop
        else:
            parts.append((_reader(inner), start))
            start += 1

    def build(texts: Sequence[str]) -> Record:
        return kind(*[read(texts[where]) for read, where in parts])

    return _remembering(build) if kind in REPEATED else _as_before(build)


def _remembering(build: Callable[[Sequence[str]], Record]) -> Callable[[Sequence[str]], Record]:
    made: dict[Sequence[str], Record] = {}

    def remembered(texts: Sequence[str]) -> Record:
        if texts not in made:
            made[texts] = build(texts)
        return made[texts]

    return remembered


def _as_before(build: Callable[[Sequence[str]], Record]) -> Callable[[Sequence[str]], Record]:
    """Return `build`, less the work where one row has what the last one had.

    What does not apply is empty in all rows, and cells that were measured together share
    what the machine did.
    """
    last: tuple[Sequence[str], Record] | None = None

    def built(texts: Sequence[str]) -> Record:
        nonlocal last
        if last is None or texts != last[0]:
            last = texts, build(texts)
        return last[1]

    return built


def _readers(kind: type) -> list[Callable[[str], Any]]:
    """Return what reads each column of `kind`."""
    hints = typing.get_type_hints(kind)
    found: list[Callable[[str], Any]] = []
    for each in fields(kind):
        inner: Any = hints[each.name]
        found += _readers(inner) if is_record(inner) else [_reader(inner)]
    return found


def _reader(hint: Any) -> Callable[[str], Any]:
    if typing.get_origin(hint) is typing.Literal:
        return _one_of(typing.get_args(hint))
    kinds = typing.get_args(hint) if typing.get_origin(hint) is types.UnionType else (hint,)
    kind = next(kind for kind in kinds if kind is not types.NoneType)
    read: Callable[[str], Any] = {int: _whole, float: _finite}.get(kind, kind)
    return _optional(read) if types.NoneType in kinds else read


def _one_of(words: Sequence[str]) -> Callable[[str], str]:
    known = {word: word for word in words}

    def read(text: str) -> str:
        if text not in known:
            raise ValueError(f"{text!r} is none of {', '.join(words)}")
        return known[text]

    return read


def _optional(read: Callable[[str], Any]) -> Callable[[str], Any]:
    if read is _finite:
        return _finite_if_any
    return lambda text: read(text) if text else None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"expected a number, got {text!r}") from None


def _finite_if_any(text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        return _finite(text)
    return value if math.isfinite(value) else _finite(text)


def _finite(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"expected a number, got {text!r}") from None
    if not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {text!r}")
    return value


def _named(name: str, read: Callable[[str], Any], text: str) -> Any:
    try:
        return read(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
