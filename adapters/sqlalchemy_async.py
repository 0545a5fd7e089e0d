"""SQLAlchemy's asyncio extension on asyncpg.

Source: https://docs.sqlalchemy.org/en/21/orm/extensions/asyncio.html and
https://docs.sqlalchemy.org/en/21/dialects/postgresql.html#module-sqlalchemy.dialects.postgresql.asyncpg.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from adapters.base import Adapter, Json, PoolOptions
from adapters.books import with_links
from adapters.orm import (
    Shared,
    User,
    book_json,
    book_row_json,
    books,
    user_json,
    user_row_json,
    users,
)


@dataclass(frozen=True, slots=True)
class Options(PoolOptions):
    """`create_async_engine`'s parameters by their own names, at its defaults, and two of ours."""

    max_overflow: int = 10
    """Connections beyond pool_size: opened when it is exhausted, closed on their return."""

    pool_pre_ping: bool = False
    """Test a connection on every checkout: three round trips with asyncpg, one with autocommit."""

    pool_recycle: int = -1
    """Seconds after which a connection is replaced; -1 is never."""

    prepared_statement_cache_size: int = 100
    """Statements SQLAlchemy keeps prepared per connection; 0 for an old PgBouncer."""

    statement_cache_size: int = 100
    """Statements asyncpg itself keeps prepared per connection; 0 for an old PgBouncer."""

    autocommit: bool = False
    """isolation_level AUTOCOMMIT. Off, a read costs BEGIN and ROLLBACK as well."""

    style: Literal["orm", "core"] = "orm"
    """A Session and mapped classes, or a Connection and the SQL that matched lanes share."""


LANES: Mapping[str, Mapping[str, object]] = {
    "idiomatic": {},
    "matched": {"style": "core", "autocommit": True, "max_overflow": 0},
}


@asynccontextmanager
async def connect(dsn: str, options: Options) -> AsyncIterator[Adapter]:
    """Yield the adapter over a pool that is full and whose every statement is prepared."""
    engine = _engine(dsn, options)
    try:
        await _warm(engine, options)
        yield _adapter(engine, options.style)
    finally:
        await engine.dispose()


class Orm:
    """The four endpoints in an AsyncSession each, with mapped classes."""

    __slots__ = ("_begin", "_session")

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._session: Callable[[], AbstractAsyncContextManager[AsyncSession]] = sessions
        self._begin = sessions.begin

    async def list_users(self, limit: int) -> Json:
        """Fetch users: one query."""
        async with self._session() as session:
            return [user_json(user) for user in await session.scalars(users(limit))]

    async def get_user(self, user_id: int) -> Json | None:
        """Fetch one user: one query."""
        async with self._session() as session:
            user = await session.get(User, user_id)
            return None if user is None else user_json(user)

    async def insert_user(self, name: str, email: str) -> Json:
        """Insert a user: one statement and a commit."""
        async with self._begin() as session:
            user = User(name=name, email=email)
            session.add(user)
            # Read before the commit expires it: after, an attribute is MissingGreenlet.
            await session.flush()
            return user_json(user)

    async def list_books(self, limit: int) -> Json:
        """Fetch books, their authors and their genres: a query each."""
        async with self._session() as session:
            return [book_json(book) for book in await session.scalars(books(limit))]


class Core:
    """The four endpoints on an AsyncConnection each, with the shared SQL."""

    __slots__ = ("_begin", "_connect")

    def __init__(
        self,
        connect: Callable[[], AbstractAsyncContextManager[AsyncConnection]],
        begin: Callable[[], AbstractAsyncContextManager[AsyncConnection]],
    ) -> None:
        self._connect = connect
        self._begin = begin

    async def list_users(self, limit: int) -> Json:
        """Fetch users: one query."""
        async with self._connect() as connection:
            result = await connection.execute(Shared.list_users, {"limit": limit})
            return [user_row_json(row) for row in result]

    async def get_user(self, user_id: int) -> Json | None:
        """Fetch one user: one query."""
        async with self._connect() as connection:
            result = await connection.execute(Shared.get_user, {"id": user_id})
            row = result.first()
            return None if row is None else user_row_json(row)

    async def insert_user(self, name: str, email: str) -> Json:
        """Insert a user: one statement and a commit."""
        async with self._begin() as connection:
            user = {"name": name, "email": email}
            result = await connection.execute(Shared.insert_user, user)
            return user_row_json(result.one())

    async def list_books(self, limit: int) -> Json:
        """Fetch books, their authors and their genres: a query each."""
        async with self._connect() as connection:
            result = await connection.execute(Shared.list_books, {"limit": limit})
            found = [book_row_json(row) for row in result]
            ids = {"ids": [book["id"] for book in found]}
            authors = (await connection.execute(Shared.book_authors, ids)).all()
            genres = (await connection.execute(Shared.book_genres, ids)).all()
        return with_links(found, authors, genres)


def _engine(dsn: str, options: Options) -> AsyncEngine:
    # The DSN goes to asyncpg as it is: an SQLAlchemy URL would take it apart, and
    # every driver is to see the same one. Not through `async_creator`, which drops
    # prepared_statement_cache_size.
    isolation: dict[str, Any] = {"isolation_level": "AUTOCOMMIT"} if options.autocommit else {}
    return create_async_engine(
        "postgresql+asyncpg://",
        connect_args={
            "dsn": dsn,
            "prepared_statement_cache_size": options.prepared_statement_cache_size,
            "statement_cache_size": options.statement_cache_size,
        },
        pool_size=options.pool_size,
        max_overflow=options.max_overflow,
        pool_timeout=options.pool_timeout,
        pool_recycle=options.pool_recycle,
        pool_pre_ping=options.pool_pre_ping,
        **isolation,
    )


def _adapter(engine: AsyncEngine, style: str) -> Orm | Core:
    if style == "orm":
        return Orm(async_sessionmaker(engine))
    return Core(engine.connect, engine.begin)


async def _warm(engine: AsyncEngine, options: Options) -> None:
    """Run every statement once on every connection of the pool, all of them held at once.

    selectinload writes as many parameters as there are books: another `limit` than
    the default 20 is prepared by its own first request on each connection. They are
    all checked out twice, so that the ping of pool_pre_ping is prepared as well.
    """
    async with AsyncExitStack() as held:
        await _checked_out(engine, options.pool_size, held)
    async with AsyncExitStack() as held:
        for connection in await _checked_out(engine, options.pool_size, held):
            async with connection.begin() as transaction:
                await _run_everything(connection, options)
                await transaction.rollback()


async def _checked_out(
    engine: AsyncEngine, count: int, held: AsyncExitStack
) -> Sequence[AsyncConnection]:
    return [await held.enter_async_context(engine.connect()) for _ in range(count)]


async def _run_everything(connection: AsyncConnection, options: Options) -> None:
    # With autocommit SQLAlchemy sends no BEGIN, and the insert must be undone.
    if options.autocommit:
        await connection.exec_driver_sql("BEGIN")
    work = _work_on(connection, options.style)
    await work.list_users(1)
    await work.get_user(1)
    await work.insert_user("warm-up", "warm-up@example.com")
    await work.list_books(20)
    if options.autocommit:
        await connection.exec_driver_sql("ROLLBACK")


def _work_on(connection: AsyncConnection, style: str) -> Orm | Core:
    """Do the work on one connection, whose transaction stays open."""
    if style == "orm":
        return Orm(async_sessionmaker(connection, join_transaction_mode="create_savepoint"))
    kept = _Kept(connection)
    return Core(lambda: kept, lambda: kept)


class _Kept(AbstractAsyncContextManager[AsyncConnection]):
    """A connection that its `async with` block neither commits nor closes."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def __aenter__(self) -> AsyncConnection:
        return self._connection

    async def __aexit__(self, *_exception: object) -> None:
        return None
