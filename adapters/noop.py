"""No database at all: what the server, the router and the generator can do without one.

Its server is asked GET /noop, which touches no adapter. It is a ceiling beside the
stacks of every setting, and no stack itself.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from adapters.base import Adapter, Json, PoolOptions, Unsupported


@dataclass(frozen=True, slots=True)
class Options(PoolOptions):
    """What every stack is given; there is no pool to give it to."""


@asynccontextmanager
async def connect(dsn: str, options: Options) -> AsyncIterator[Adapter]:
    """Yield the adapter; nothing is opened."""
    yield Noop()


class Noop:
    """No endpoint that needs a database."""

    async def list_users(self, limit: int) -> Json:
        """Raise Unsupported."""
        raise Unsupported(_NO_DATABASE)

    async def get_user(self, user_id: int) -> Json | None:
        """Raise Unsupported."""
        raise Unsupported(_NO_DATABASE)

    async def insert_user(self, name: str, email: str) -> Json:
        """Raise Unsupported."""
        raise Unsupported(_NO_DATABASE)

    async def list_books(self, limit: int) -> Json:
        """Raise Unsupported."""
        raise Unsupported(_NO_DATABASE)


_NO_DATABASE = "noop has no database: ask it for /noop"
