"""The four adapters, opened as the app opens them."""

from contextlib import AbstractAsyncContextManager
from typing import Any

import orjson

from adapters import registry
from adapters.base import Adapter

NAMES = ("asyncpg_pool", "psycopg_pool", "sqlalchemy_async", "sqlalchemy_sync")

STACKS = [(name, lane) for name in NAMES for lane in registry.LANE_NAMES]


def opened(
    name: str, dsn: str, lane: str = "idiomatic", **given: Any
) -> AbstractAsyncContextManager[Adapter]:
    module = registry.load(name)
    return module.connect(dsn, module.Options(**{**registry.lane(module, lane), **given}))


def without_overflow(name: str) -> dict[str, Any]:
    """Return the option that makes a pool of N have N connections and no more."""
    return {"max_overflow": 0} if name.startswith("sqlalchemy") else {}


def encoded(answer: object) -> bytes:
    return answer if isinstance(answer, bytes) else orjson.dumps(answer)
