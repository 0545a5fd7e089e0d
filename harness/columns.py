"""Records laid flat: the fields of a dataclass, those of records in it included, are columns."""

import functools
import operator
import typing
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any


def columns(kind: type) -> list[str]:
    """Return the column names of a dataclass; those of one inside it stand in its place."""
    return list(_names(kind))


def values(record: Any) -> list[Any]:
    """Return the values of `record` in the order of `columns`."""
    kind: Any = type(record)
    return list(_getter(kind)(record))


def getter(paths: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what gets the attributes at `paths`, as a tuple of one, too."""
    get = operator.attrgetter(*paths)
    return get if len(paths) > 1 else lambda record: (get(record),)


def is_record(hint: object) -> bool:
    """Whether a type hint is one of a dataclass."""
    return isinstance(hint, type) and is_dataclass(hint)


@functools.cache
def _getter(kind: Any) -> Callable[[Any], tuple[Any, ...]]:
    return getter(_paths(kind))


@functools.cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(path.rpartition(".")[2] for path in _paths(kind))


@functools.cache
def _paths(kind: Any) -> tuple[str, ...]:
    """Return the way to each column from a record of `kind`: `latency.p50_ms`."""
    hints = typing.get_type_hints(kind)
    paths: list[str] = []
    for each in fields(kind):
        inner: Any = hints[each.name]
        below = [f".{path}" for path in _paths(inner)] if is_record(inner) else [""]
        paths += [each.name + path for path in below]
    return tuple(paths)
