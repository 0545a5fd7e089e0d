"""psycopg 3 and psycopg_pool, asynchronous.

Source: https://www.psycopg.org/psycopg3/docs/advanced/pool.html and
https://www.psycopg.org/psycopg3/docs/advanced/prepare.html.
"""

import asyncio
import weakref
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Annotated, Any, Literal, LiteralString, Self, TypeAlias

import psycopg_pool
from annotated_types import Ge, Gt
from psycopg import AsyncConnection, Error
from psycopg.rows import DictRow, dict_row, tuple_row
from psycopg_pool import AsyncConnectionPool

from adapters import checkouts
from adapters.base import Adapter, Json, PoolOptions
from adapters.books import with_links
from adapters.errors import PoolTimeout, message
from adapters.sql import POSITIONAL as SQL

Connection: TypeAlias = AsyncConnection[DictRow]
Pool: TypeAlias = AsyncConnectionPool[Connection]


@dataclass(frozen=True, slots=True)
class Options(PoolOptions):
    """psycopg's parameters, at its defaults; its pool's by the names that all pools have here."""

    max_overflow: Annotated[int, Ge(0)] = 0
    """Connections that the pool may grow by under load (`max_size`), and close once idle."""

    pool_pre_ping: bool = False
    """Test a connection on every checkout with `check_connection`: a round trip."""

    pool_recycle: Annotated[float, Gt(0)] = 3600.0
    """Seconds after which a connection is replaced (`max_lifetime`)."""

    autocommit: bool = False
    """Each statement a transaction of its own. Off, a read costs BEGIN and COMMIT as well."""

    prepared: bool = True
    """Prepare statements; off, as old PgBouncers need, never."""

    prepare_threshold: Annotated[int, Ge(0)] = 5
    """Uses of a statement after which it is prepared."""

    binary: bool = False
    """Ask for results in the binary format."""

    transaction: bool = False
    """Insert inside `transaction()`: two round trips more where autocommit is on."""

    books: Literal["queries", "json_agg"] = "queries"
    """Books as three queries put together here, or as one whose JSON the database makes."""


LANES: Mapping[str, Mapping[str, object]] = {
    "idiomatic": {},
    "matched": {"autocommit": True, "binary": True},
}


@asynccontextmanager
async def connect(dsn: str, options: Options) -> AsyncIterator[Adapter]:
    """Yield the adapter over a pool that is full and whose every statement is prepared."""
    attempts = _Attempts(options.pool_size + options.max_overflow)
    pool = _TellingPool(
        dsn,
        attempts,
        connection_class=_telling(attempts),
        kwargs={
            "autocommit": options.autocommit,
            "prepare_threshold": options.prepare_threshold if options.prepared else None,
            "row_factory": dict_row,
        },
        min_size=options.pool_size,
        max_size=options.pool_size + options.max_overflow,
        timeout=options.pool_timeout,
        max_lifetime=options.pool_recycle,
        check=AsyncConnectionPool.check_connection if options.pool_pre_ping else None,
        open=False,
    )
    try:
        await _fill(pool, attempts)
        await _warm(pool, options)
        yield PsycopgPool(pool, options)
    finally:
        attempts.refused.cancel()
        await pool.close()


class PsycopgPool:
    """The four endpoints on a `psycopg_pool.AsyncConnectionPool` whose rows are dicts."""

    __slots__ = ("_binary", "_connection", "_json_agg", "_transaction")

    def __init__(self, pool: Pool, options: Options) -> None:
        self._connection = pool.connection
        self._binary = options.binary
        self._transaction = options.transaction
        self._json_agg = options.books == "json_agg"

    async def list_users(self, limit: int) -> Json:
        """Fetch users: one query."""
        async with self._connection() as connection:
            cursor = await connection.execute(SQL.list_users, (limit,), binary=self._binary)
            return await cursor.fetchall()

    async def get_user(self, user_id: int) -> Json | None:
        """Fetch one user: one query."""
        async with self._connection() as connection:
            cursor = await connection.execute(SQL.get_user, (user_id,), binary=self._binary)
            return await cursor.fetchone()

    async def insert_user(self, name: str, email: str) -> Json:
        """Insert a user: one statement, in a `transaction()` if asked for."""
        async with self._connection() as connection:
            if not self._transaction:
                return await _inserted(connection, name, email, binary=self._binary)
            async with connection.transaction():
                return await _inserted(connection, name, email, binary=self._binary)

    async def list_books(self, limit: int) -> Json:
        """Fetch books, their authors and their genres: a query each, or one with json_agg."""
        async with self._connection() as connection:
            if self._json_agg:
                return await _books_json(connection, limit, binary=self._binary)
            return await _books(connection, limit, binary=self._binary)


async def _inserted(connection: Connection, name: str, email: str, *, binary: bool) -> Json:
    cursor = await connection.execute(SQL.insert_user, (name, email), binary=binary)
    row = await cursor.fetchone()
    assert row is not None, "INSERT ... RETURNING gives the row it made"
    return row


async def _books(connection: Connection, limit: int, *, binary: bool) -> Json:
    cursor = await connection.execute(SQL.list_books, (limit,), binary=binary)
    books = await cursor.fetchall()
    ids = [book["id"] for book in books]
    links = connection.cursor(binary=binary, row_factory=tuple_row)
    authors = await (await links.execute(SQL.book_authors, (ids,))).fetchall()
    genres = await (await links.execute(SQL.book_genres, (ids,))).fetchall()
    return with_links(books, authors, genres)


async def _books_json(connection: Connection, limit: int, *, binary: bool) -> bytes:
    cursor = connection.cursor(binary=binary, row_factory=tuple_row)
    row = await (await cursor.execute(SQL.list_books_json, (limit,))).fetchone()
    assert row is not None, "an aggregate gives one row"
    document: str = row[0]
    return document.encode()


class _Attempts:
    """What became of a pool's attempts to connect, which it tells to nothing but its log.

    `refused` has the first failure.
    """

    def __init__(self, size: int) -> None:
        self.refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._size = size
        self._latest: Error | None = None
        self._made: weakref.WeakSet[Connection] = weakref.WeakSet()

    def failed(self, error: Error) -> None:
        self._latest = error
        if not self.refused.done():
            self.refused.set_exception(error)

    def succeeded(self, connection: Connection) -> None:
        self._made.add(connection)
        if not self._lacking():
            self._latest = None

    def reason(self) -> Error | None:
        """Return why the pool is not full; None when it is, or when no attempt has failed."""
        return self._latest if self._lacking() else None

    def _lacking(self) -> bool:
        return sum(not each.closed for each in self._made) < self._size


def _telling(attempts: _Attempts) -> type[Connection]:
    """Make a connection class that tells `attempts` of each of them."""

    class Telling(AsyncConnection[DictRow]):
        @classmethod
        async def connect(cls, *args: Any, **kwargs: Any) -> Self:
            try:
                made = await super().connect(*args, **kwargs)
            except Error as error:
                attempts.failed(error)
                raise
            attempts.succeeded(made)
            return made

    return Telling


class _TellingPool(AsyncConnectionPool[Connection]):
    """A pool that times its checkouts, and whose time-out has the reason.

    That is a refusal, when it lacks connections because they were refused.
    """

    def __init__(self, dsn: str, attempts: _Attempts, **parameters: Any) -> None:
        super().__init__(dsn, **parameters)
        self._attempts = attempts

    async def getconn(self, timeout: float | None = None) -> Connection:  # noqa: ASYNC109 - psycopg's
        began_ns = perf_counter_ns()
        try:
            return await super().getconn(timeout)
        except psycopg_pool.PoolTimeout as error:
            reason = self._attempts.reason()
            if reason is None:
                raise
            raise PoolTimeout(f"{error}: {message(reason)}") from reason
        finally:
            checkouts.record(perf_counter_ns() - began_ns)


async def _fill(pool: Pool, attempts: _Attempts) -> None:
    """Open the pool full, or raise the first reason why it cannot be.

    The pool itself would go on trying for `reconnect_timeout` and then say
    PoolTimeout, with the reason only in its log.
    """
    full = asyncio.ensure_future(pool.open(wait=True))
    await asyncio.wait({full, attempts.refused}, return_when=asyncio.FIRST_COMPLETED)
    if attempts.refused.done():
        full.cancel()
        await asyncio.wait({full})
        attempts.refused.result()
    full.result()


async def _warm(pool: Pool, options: Options) -> None:
    """Run and prepare every statement once on every connection, all of them held at once.

    `prepare=True` stands in for the first `prepare_threshold` uses; where nothing is
    to be prepared, psycopg ignores it. The types of parameters are part of a statement, and
    psycopg sends a number as int2 or int4 by its size: ids above 32,767 are prepared
    by their own requests.
    """
    held = [await pool.getconn() for _ in range(options.pool_size)]
    try:
        for connection in held:
            for query, parameter in _reads(options):
                await connection.execute(query, (parameter,), binary=options.binary, prepare=True)
            await connection.commit()
            await _insert_once(connection, options)
    finally:
        for connection in held:
            await pool.putconn(connection)


def _reads(options: Options) -> Sequence[tuple[LiteralString, object]]:
    users: list[tuple[LiteralString, object]] = [(SQL.list_users, 1), (SQL.get_user, 1)]
    if options.books == "json_agg":
        return [*users, (SQL.list_books_json, 1)]
    return [*users, (SQL.list_books, 1), (SQL.book_authors, [1]), (SQL.book_genres, [1])]


async def _insert_once(connection: Connection, options: Options) -> None:
    """Prepare the insert and leave no row: what it inserts it deletes in the same transaction.

    Not undone by a ROLLBACK, which would empty psycopg's cache of prepared statements.
    """
    user = ("warm-up", "warm-up@example.com")
    async with connection.transaction():
        cursor = await connection.execute(
            SQL.insert_user, user, binary=options.binary, prepare=True
        )
        row = await cursor.fetchone()
        assert row is not None, "INSERT ... RETURNING gives the row it made"
        await connection.execute(
            "DELETE FROM harness.users WHERE id = %s", (row["id"],), prepare=False
        )
