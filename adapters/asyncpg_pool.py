"""asyncpg and its own pool.

Source: https://magicstack.github.io/asyncpg/current/api/ and asyncpg/pool.py.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Annotated, Any, Literal, TypeVar

import asyncpg
from annotated_types import Ge

from adapters import checkouts
from adapters.base import Adapter, Json, PoolOptions
from adapters.books import with_links
from adapters.errors import PoolTimeout
from adapters.sql import NUMBERED as SQL

Result = TypeVar("Result")

_NEVER = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Options(PoolOptions):
    """`asyncpg.create_pool`'s parameters by their own names, at its defaults, and some of ours."""

    max_overflow: Annotated[int, Ge(0)] = 0
    """Connections that the pool may grow by under load, and close again once they are idle."""

    reset: bool = True
    """Reset the session on every release, as asyncpg does unless told otherwise: a round trip."""

    prepared: bool = True
    """Keep statements prepared. Off, as an old PgBouncer needs, each is prepared again at every
    use: a round trip more."""

    statement_cache_size: Annotated[int, Ge(0)] = 100
    """Prepared statements kept per connection."""

    max_queries: Annotated[int, Ge(1)] = 50_000
    """Queries after which a connection is replaced."""

    max_inactive_connection_lifetime: Annotated[float, Ge(0)] = 300.0
    """Seconds an idle connection above the pool's floor lives; 0 is for ever."""

    autocommit: bool = True
    """Each statement a transaction of its own, as ever outside `transaction()`. Off, each request
    is inside of one: two round trips more."""

    transaction: bool = False
    """Insert inside `transaction()`: two round trips more than the statement alone."""

    books: Literal["queries", "json_agg"] = "queries"
    """Books as three queries put together here, or as one whose JSON the database makes."""


LANES: Mapping[str, Mapping[str, object]] = {
    "idiomatic": {},
    "matched": {
        "reset": False,
        "max_queries": _NEVER,
        "max_inactive_connection_lifetime": 0.0,
    },
}


class _Unreset(asyncpg.Connection):  # type: ignore[misc]  # asyncpg ships no types
    """A connection that goes back to the pool without a round trip."""

    __slots__ = ()

    def get_reset_query(self) -> str:
        return ""


@asynccontextmanager
async def connect(dsn: str, options: Options) -> AsyncIterator[Adapter]:
    """Yield the adapter over a pool that is full and whose every statement is prepared."""
    async with asyncpg.create_pool(
        dsn,
        min_size=options.pool_size,
        max_size=options.pool_size + options.max_overflow,
        max_queries=options.max_queries,
        max_inactive_connection_lifetime=options.max_inactive_connection_lifetime,
        statement_cache_size=options.statement_cache_size if options.prepared else 0,
        connection_class=asyncpg.Connection if options.reset else _Unreset,
    ) as pool:
        await _warm(pool, options)
        yield AsyncpgPool(pool, options)


class AsyncpgPool:
    """The four endpoints on an `asyncpg.Pool`."""

    __slots__ = (
        "_books",
        "_options",
        "_pool",
        "_read_in_transaction",
        "_timeout_s",
        "_write_in_transaction",
    )

    def __init__(self, pool: Any, options: Options) -> None:
        self._pool = pool
        self._options = options
        self._timeout_s = options.pool_timeout
        self._books = _books_json if options.books == "json_agg" else _books
        self._read_in_transaction = not options.autocommit
        self._write_in_transaction = options.transaction or not options.autocommit

    async def list_users(self, limit: int) -> Json:
        """Fetch users: one query."""
        return await self._done(self._read_in_transaction, _users, limit)

    async def get_user(self, user_id: int) -> Json | None:
        """Fetch one user: one query."""
        return await self._done(self._read_in_transaction, _user, user_id)

    async def insert_user(self, name: str, email: str) -> Json:
        """Insert a user: one statement, between BEGIN and COMMIT if asked for."""
        return await self._done(self._write_in_transaction, _inserted, name, email)

    async def list_books(self, limit: int) -> Json:
        """Fetch books, their authors and their genres: a query each, or one with json_agg."""
        return await self._done(self._read_in_transaction, self._books, limit)

    async def _done(
        self, in_transaction: bool, work: Callable[..., Awaitable[Result]], *arguments: object
    ) -> Result:
        """Do `work` on a connection of the pool's, and give it back."""
        connection = await self._acquire()
        try:
            if not in_transaction:
                return await work(connection, *arguments)
            async with connection.transaction():
                return await work(connection, *arguments)
        finally:
            await self._pool.release(connection)

    async def _acquire(self) -> Any:
        # Not `async with pool.acquire()`: a TimeoutError from the acquire must be told
        # from one of a query, and asyncpg raises both bare.
        began_ns = perf_counter_ns()
        try:
            return await self._pool.acquire(timeout=self._timeout_s)
        except TimeoutError as error:
            raise PoolTimeout(
                f"no connection from asyncpg's pool of {self._options.pool_size} "
                f"in {self._timeout_s:g} s"
            ) from error
        finally:
            checkouts.record(perf_counter_ns() - began_ns)


async def _users(connection: Any, limit: int) -> Json:
    return [dict(row) for row in await connection.fetch(SQL.list_users, limit)]


async def _user(connection: Any, user_id: int) -> Json | None:
    row = await connection.fetchrow(SQL.get_user, user_id)
    return None if row is None else dict(row)


async def _inserted(connection: Any, name: str, email: str) -> Json:
    return dict(await connection.fetchrow(SQL.insert_user, name, email))


async def _books(connection: Any, limit: int) -> Json:
    rows = await connection.fetch(SQL.list_books, limit)
    ids = [row["id"] for row in rows]
    authors = await connection.fetch(SQL.book_authors, ids)
    genres = await connection.fetch(SQL.book_genres, ids)
    return with_links([dict(row) for row in rows], authors, genres)


async def _books_json(connection: Any, limit: int) -> Json:
    document: str = await connection.fetchval(SQL.list_books_json, limit)
    return document.encode()


async def _warm(pool: Any, options: Options) -> None:
    """Run every statement once on every connection, all of them held at once.

    A connection prepares a statement at its first use, and asks the catalogue about
    `bigint[]`: neither may fall into the measured time.
    """
    async with AsyncExitStack() as held:
        for _ in range(options.pool_size):
            connection = await held.enter_async_context(pool.acquire())
            await connection.fetch(SQL.list_users, 1)
            await connection.fetchrow(SQL.get_user, 1)
            if options.books == "json_agg":
                await connection.fetchval(SQL.list_books_json, 1)
            else:
                await connection.fetch(SQL.list_books, 1)
                await connection.fetch(SQL.book_authors, [1])
                await connection.fetch(SQL.book_genres, [1])
            undone = connection.transaction()
            await undone.start()
            await connection.fetchrow(SQL.insert_user, "warm-up", "warm-up@example.com")
            await undone.rollback()
