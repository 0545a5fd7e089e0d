"""What settings are called wherever a person reads of them. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from harness.columns import columns, values
from harness.counted import counted
from harness.model import Key, Setting

AXES = ("limit", "concurrency", "rate", "pool_size", "workers", "rtt_ms", "options")
"""The fields of a setting that a matrix sweeps."""

_NOUNS = {"limit": "row", "concurrency": "connection", "workers": "worker"}
_UNITS = {"rate": " req/s", "pool_size": " pooled", "rtt_ms": " ms away", "options": ""}

NAMED = frozenset({"group", "endpoint", "stack", "adapter", "lane"})
"""Columns of a key that are no axes."""

Values = Mapping[tuple[str, ...], set[object]]
"""The values that an axis has in a group and an endpoint; that a rate has in an endpoint."""


def names(among: Iterable[Setting]) -> dict[Setting, str]:
    """Name each setting by its group, its endpoint, and the axes that differ in the group's.

    The group is left out where all are of one. A rate and a distance are said even when
    they are the only ones: that is another question.
    """
    every = list(dict.fromkeys(among))
    values: dict[tuple[str, ...], set[object]] = defaultdict(set)
    for each in every:
        for axis in AXES:
            values[_family(each, axis)].add(getattr(each, axis))
    alone = len({each.group for each in every}) == 1
    return {each: ("" if alone else f"{each.group}: ") + _name(each, values) for each in every}


def setting_text(setting: Setting, among: Sequence[Setting]) -> str:
    """Return the name of one `setting`. Of many, see `names`."""
    return names([*among, setting])[setting]


def said(setting: Setting, axis: str) -> str:
    """Return where `setting` stands on an axis: `16 connections`, `0.5 ms away`."""
    value = getattr(setting, axis)
    if axis in _NOUNS and value is not None:
        return counted(value, _NOUNS[axis])
    return (f"{value:g}" if isinstance(value, float) else str(value)) + _UNITS[axis]


def short_name(key: Key) -> str:
    """Return `group/endpoint/stack`."""
    return f"{key.group}/{key.endpoint}/{key.stack}"


def cell_name(key: Key) -> str:
    """Return a name that no other cell has, and that stays when the matrix grows.

    `users/users_get/asyncpg concurrency=16 pool_size=10 workers=1`: every axis that applies.
    """
    axes = [
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in zip(columns(Key), values(key), strict=True)
        if name not in NAMED and value not in (None, "") and (name, value) != ("rtt_ms", 0.0)
    ]
    return " ".join([short_name(key), *axes])


def _name(setting: Setting, values: Values) -> str:
    parts: list[str] = [setting.endpoint]
    for axis in AXES:
        if axis in ("rate", "rtt_ms") and getattr(setting, axis):
            parts.append(said(setting, axis))
        elif len(values[_family(setting, axis)]) > 1:
            parts.append("closed loop" if axis == "rate" else said(setting, axis))
    return ", ".join(parts)


def _family(setting: Setting, axis: str) -> tuple[str, ...]:
    # The group stands before it: what differs between groups need not be said again.
    group = () if axis == "rate" else (setting.group,)
    return (setting.endpoint, axis, *group)
