"""An adapter that is slower on purpose: asyncpg's, with work of no use before each user.

The work is a fixed number of turns of an empty loop and not a time, so that it takes the
same share of a request on a fast machine and on a slow one.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from adapters import asyncpg_pool
from adapters.base import Adapter, Json


@dataclass(frozen=True, slots=True)
class Options(asyncpg_pool.Options):
    """asyncpg's, and how much slower."""

    turns: int = 0
    """Turns of the empty loop a request."""


@asynccontextmanager
async def connect(dsn: str, options: Options) -> AsyncIterator[Adapter]:
    """Yield asyncpg's adapter, slowed."""
    async with asyncpg_pool.connect(dsn, options) as right:
        yield Slowed(right, options.turns)


class Slowed:
    """`get_user` after `turns` turns; the other endpoints as they are."""

    __slots__ = ("_right", "_turns", "insert_user", "list_books", "list_users")

    def __init__(self, right: Adapter, turns: int) -> None:
        self._right = right
        self._turns = range(turns)
        self.list_users, self.list_books = right.list_users, right.list_books
        self.insert_user = right.insert_user

    async def get_user(self, user_id: int) -> Json | None:
        """Turn, then fetch."""
        for _ in self._turns:
            pass
        return await self._right.get_user(user_id)
