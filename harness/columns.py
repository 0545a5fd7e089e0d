"""Records laid flat: the fields of a dataclass, those of records in it included, are columns."""

import typing
from dataclasses import fields, is_dataclass
from typing import Any


def columns(kind: type) -> list[str]:
    """Return the column names of a dataclass; those of one inside it stand in its place."""
    hints = typing.get_type_hints(kind)
    names: list[str] = []
    for each in fields(kind):
        inner: Any = hints[each.name]
        names += columns(inner) if is_record(inner) else [each.name]
    return names


def values(record: Any) -> list[Any]:
    """Return the values of `record` in the order of `columns`."""
    row: list[Any] = []
    for each in fields(record):
        value = getattr(record, each.name)
        row += values(value) if is_dataclass(value) else [value]
    return row


def is_record(hint: object) -> bool:
    """Whether a type hint is one of a dataclass."""
    return isinstance(hint, type) and is_dataclass(hint)
