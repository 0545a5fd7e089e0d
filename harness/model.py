"""The records that flow from a matrix to a report. Frozen: nothing is edited once recorded.

matrix -> plan (settings, cells) -> block -> observation -> summary -> report.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Lane = Literal["idiomatic", "matched"]
Endpoint = Literal["users_get", "users_list", "users_insert", "books_list"]
Outcome = Literal["ok", "invalid", "failed", "unsupported"]
Verdict = Literal["faster", "slower", "tie", "unclear", ""]

ERROR_CLASSES = (
    "pool_timeout",
    "too_many_clients",
    "database",
    "app",
    "timeout",
    "connect",
    "reset",
    "body",
)
"""Every way a request can fail. The first four are named by the app in `x-error`,
the others are seen by the generator."""

DEFAULT_LIMITS: Mapping[str, int] = {"users_list": 100, "books_list": 20}
"""Rows a list endpoint returns when the group names no `limit`."""


@dataclass(frozen=True, slots=True)
class Stack:
    """An adapter plus its options, under a name: the thing compared.

    `options` are complete but for what a setting sweeps: the adapter's defaults,
    its lane's preset, and what the matrix gives by hand, the later winning.
    """

    name: str
    adapter: str
    lane: Lane
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True, order=True)
class Setting:
    """One endpoint and one value of every axis: where cells are compared with each other."""

    group: str
    endpoint: Endpoint
    limit: int | None
    concurrency: int
    pool_size: int
    workers: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One stack in one setting."""

    setting: Setting
    stack: Stack
