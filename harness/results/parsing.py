"""CSV as `tables` writes it -> records, a column of many lines at a time.

Lines of which one is damaged are read again one by one: what is said to be wrong with a
column is then wrong with its only text.
"""

import csv
import io
import math
import types
import typing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any, TypeVar

import orjson

from harness.columns import columns, is_record
from harness.errors import BadInput
from harness.model import Errors, Key

Record = TypeVar("Record")
Number = TypeVar("Number", int, float)
Texts = Sequence[str]
"""What stands in one column, line by line."""

TOGETHER = 250
"""Lines. What is the same in several of them is made once and shared, and all that is made of
them fits a cache: of a thousand each takes a quarter longer."""

REPEATED = frozenset({Key, Errors})
"""Records of which a whole table holds few that differ: each is made once."""

LATER = frozenset({"options", "parts"})
"""Columns that tables were written without before there was such a thing: empty there."""

UNFINISHED = "is unfinished"
"""What is wrong with a last line without an end: it was being written in a crash."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """A line that is not as it was written, and why."""

    line: int
    why: str


def parse(kind: type[Record], text: str, name: str) -> list[Record]:
    """Read a whole table: see `parsed`."""
    return list(parsed(kind, io.StringIO(text, newline="\n"), name))


def parsed(kind: type[Record], lines: Iterable[str], name: str) -> Iterator[Record]:
    """Yield the records of a table, but for an unfinished last line (a crash).

    Raises `BadInput` that names the file `name` and the line for anything else.
    """
    for each in scan(kind, kind, lines, name):
        if not isinstance(each, Damaged):
            yield each
        elif each.why != UNFINISHED:
            raise BadInput(f"{name}: line {each.line}: {each.why}")


def scan(
    kind: type[Record], of: type, lines: Iterable[str], name: str
) -> Iterator[Record | Damaged]:
    """Yield a record, or why there is none, for every line after the heading.

    `lines` are those of a table of `of`, of whose columns `kind` needs some, found by their
    names: what is not needed is neither read nor kept, and may be another version's, unless
    `kind` is `of` itself. A line with a stray quote spoils no other. Raises `BadInput` that
    names the file `name` when it is no such table.
    """
    rest = iter(lines)
    (found,) = _split([next(rest, "")])
    lacking = [each for each in columns(kind) if each not in found]
    if not LATER.issuperset(lacking) or (kind is of and found != columns(of)):
        raise BadInput(f"{name}: {_other_columns(lacking, found, of)}")
    read = _reader_of_lines(kind, found)
    number = 2
    while batch := list(islice(rest, TOGETHER)):
        try:
            yield from read(batch)
        except (ValueError, csv.Error):
            yield from _one_by_one(read, batch, number)
        number += len(batch)


def _one_by_one(
    read: Callable[[Texts], list[Record]], lines: Texts, first: int
) -> Iterator[Record | Damaged]:
    for number, line in enumerate(lines, first):
        try:
            yield from read([line])
        except (ValueError, csv.Error) as error:
            yield Damaged(number, str(error))


def _reader_of_lines(kind: type[Record], header: Sequence[str]) -> Callable[[Texts], list[Record]]:
    """Return what makes the records of lines under `header`; ValueError says what is wrong.

    Types are looked up here, once: a results folder may have a hundred thousand rows.
    """
    places = {name: place for place, name in enumerate(header)}
    wanted = [places.get(name) for name in columns(kind)]
    build = _builder(kind)

    def read(lines: Texts) -> list[Record]:
        if not lines[-1].endswith("\n"):
            raise ValueError(UNFINISHED)
        rows = _split(lines)
        for count in {len(row) for row in rows}:
            if count != len(header):
                raise ValueError(f"expected {len(header)} fields, got {count}")
        texts, lacking = list(zip(*rows, strict=True)), ("",) * len(rows)
        return build([lacking if place is None else texts[place] for place in wanted])

    return read


def _split(lines: Texts) -> list[list[str]]:
    """Return the fields of each line, as `csv.reader` finds them.

    It looks at each character, which takes three times as long as to split at commas. So it
    is given what stands from the first quote to the last alone: a tenth of a line, or nothing.
    """
    try:
        before, quoted, after = zip(*map(_around_quotes, lines), strict=True)
        within = list(csv.reader(quoted, strict=True))
        if len(within) == len(lines):
            return [[*a, *b, *c] for a, b, c in zip(before, within, after, strict=True)]
    except csv.Error:
        pass
    rows = list(csv.reader(lines))
    if len(rows) != len(lines):
        raise ValueError("a quote has no end")
    return rows


def _around_quotes(line: str) -> tuple[list[str], str, list[str]]:
    """Return the fields before the first quote, the text up to the last, the fields after it.

    Raises `csv.Error` where either stands within a field.
    """
    line = line.rstrip("\r\n")
    start, stop = line.find('"'), line.rfind('"') + 1
    if not stop:
        return line.split(","), "", []
    before, after = line[:start].split(","), line[stop:].split(",")
    if before.pop() or after.pop(0):
        raise csv.Error
    return before, line[start:stop], after


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


def _builder(kind: type[Record]) -> Callable[[Sequence[Texts]], list[Record]]:
    """Return what makes a `kind` of each row of its columns; ValueError for bad text."""
    hints = typing.get_type_hints(kind)
    parts: list[tuple[Callable[[Any], list[Any]], int | slice]] = []
    start = 0
    for each in fields(kind):  # type: ignore[arg-type]
        inner: Any = hints[each.name]
        if is_record(inner):
            stop = start + len(columns(inner))
            parts.append((_sharing(_builder(inner), ever=inner in REPEATED), slice(start, stop)))
            start = stop
        else:
            parts.append((_named(each.name, _reader(inner)), start))
            start += 1

    make = _maker(kind)

    def build(texts: Sequence[Texts]) -> list[Record]:
        return make([read(texts[where]) for read, where in parts])

    return build


def _maker(kind: type[Record]) -> Callable[[Sequence[Sequence[Any]]], list[Record]]:
    """Return what makes a `kind` of each row of what its fields hold, a field at a time.

    A frozen record's own `__init__` sets them by name, which takes more than twice as long.
    """
    if not hasattr(kind, "__slots__"):
        return lambda held: list(map(kind, *held))
    setters = [getattr(kind, each.name).__set__ for each in fields(kind)]  # type: ignore[arg-type]

    def make(held: Sequence[Sequence[Any]]) -> list[Record]:
        made = [kind.__new__(kind) for _ in held[0]]
        for put, values in zip(setters, held, strict=True):
            deque(map(put, made, values), maxlen=0)
        return made

    return make


def _sharing(
    build: Callable[[Sequence[Texts]], list[Record]], *, ever: bool
) -> Callable[[Sequence[Texts]], list[Record]]:
    """Return `build`, which makes one record for all rows that are the same.

    What does not apply is empty in all rows, and cells that were measured together share
    what the machine did. `ever` keeps what was made for the rows of other calls.
    """
    kept: dict[Texts, Record] = {}

    def built(texts: Sequence[Texts]) -> list[Record]:
        count = len(texts[0])
        if all(each.count(each[0]) == count for each in texts):
            return build([each[:1] for each in texts]) * count
        if not ever and any(2 * len(set(each)) > count for each in texts):
            return build(texts)  # to look for the few that are alike would take as long
        made = kept if ever else {}
        rows = list(zip(*texts, strict=True))
        new = [row for row in dict.fromkeys(rows) if row not in made]
        if new:
            made.update(zip(new, build(list(zip(*new, strict=True))), strict=True))
        return [made[row] for row in rows]

    return built


def _named(name: str, read: Callable[[Texts], list[Any]]) -> Callable[[Texts], list[Any]]:
    def named(texts: Texts) -> list[Any]:
        try:
            return read(texts)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None

    return named


def _reader(hint: Any) -> Callable[[Texts], list[Any]]:
    """Return what reads a column of `hint`."""
    if typing.get_origin(hint) is typing.Literal:
        return _one_of(typing.get_args(hint))
    kinds = typing.get_args(hint) if typing.get_origin(hint) is types.UnionType else (hint,)
    read: Callable[[Texts], list[Any]] = READERS[kinds[0]]
    return _optional(read) if types.NoneType in kinds else read


def _optional(read: Callable[[Texts], list[Any]]) -> Callable[[Texts], list[Any]]:
    def known(texts: Texts) -> list[Any]:
        if all(texts):
            return read(texts)
        values = iter(read(list(filter(None, texts))))
        return [next(values) if text else None for text in texts]

    return known


def _one_of(words: Sequence[str]) -> Callable[[Texts], list[str]]:
    known = {word: word for word in words}

    def read(texts: Texts) -> list[str]:
        try:
            return [known[text] for text in texts]
        except KeyError:
            raise ValueError(f"{texts[0]!r} is none of {', '.join(words)}") from None

    return read


def _strings(texts: Texts) -> list[str]:
    known = dict(zip(texts, texts, strict=True))
    return list(map(known.__getitem__, texts))  # equal ones are one from here on


def _whole(texts: Texts) -> list[int]:
    return _numbers(int, texts)


def _finite(texts: Texts) -> list[float]:
    values = _numbers(float, texts)
    if not math.isfinite(sum(values)):  # of huge ones too, each of which is well by itself
        raise ValueError(f"expected a finite number, got {texts[0]!r}")
    return values


def _numbers(kind: type[Number], texts: Texts) -> list[Number]:
    try:
        return _as_json(kind, texts) or list(map(kind, texts))
    except ValueError:
        raise ValueError(f"expected a number, got {texts[0]!r}") from None


def _as_json(kind: type[Number], texts: Texts) -> list[Number]:
    """Return the numbers of `texts` in a third of the time, none unless JSON has them alike.

    What is a number there is the same for `kind`, but for the sign of a zero.
    """
    joined = ",".join(texts)
    try:
        values = [] if "-0" in joined else orjson.loads(f"[{joined}]")
    except orjson.JSONDecodeError:
        return []
    kinds = set(map(type, values))
    if len(values) != len(texts) or not kinds <= {int, kind}:
        return []
    return values if kinds == {kind} else list(map(kind, values))


READERS: Mapping[type, Callable[[Texts], list[Any]]] = {
    str: _strings,
    int: _whole,
    float: _finite,
}
