"""Where cells are compared with each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Endpoint = Literal["users_get", "users_list", "users_insert", "books_list"]

DEFAULT_LIMITS: Mapping[str, int] = {"users_list": 100, "books_list": 20}
"""Rows a list endpoint returns when the group names no `limit`."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One endpoint and one value of every axis: where cells are compared with each other.

    `rate` is in req/s, None for closed-loop load; `rtt_ms` is added round-trip time;
    `options` names the value of every adapter option that the group sweeps.
    """

    group: str
    endpoint: Endpoint
    limit: int | None
    concurrency: int
    rate: float | None
    pool_size: int
    workers: int
    rtt_ms: float
    options: str = ""
