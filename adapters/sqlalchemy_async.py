"""SQLAlchemy's asyncio extension on asyncpg or psycopg 3.

Source: https://docs.sqlalchemy.org/en/21/orm/extensions/asyncio.html and
https://docs.sqlalchemy.org/en/21/dialects/postgresql.html#module-sqlalchemy.dialects.postgresql.asyncpg.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import psycopg
from annotated_types import Ge
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from adapters.base import Adapter, Endpoint, Json, PoolOptions
from adapters.books import with_links
from adapters.orm import (
    Shared,
    User,
    book_json,
    book_row_json,
    user_json,
    user_row_json,
)
from adapters.reads import Books, Reads, Style, core_lacks
from adapters.timed_pools import TimedAsyncQueuePool


@dataclass(frozen=True, slots=True)
class Options(PoolOptions):
    """`create_async_engine`'s parameters by their own names, at its defaults, and some of ours."""

    max_overflow: Annotated[int, Ge(-1)] = 10
    """Connections beyond pool_size: opened when it is exhausted, closed on their return."""

    pool_pre_ping: bool = False
    """Test a connection on every checkout: three round trips with asyncpg, one with autocommit
    or psycopg."""

    pool_recycle: Annotated[int, Ge(-1)] = -1
    """Seconds after which a connection is replaced; -1 is never."""

    driver: Literal["asyncpg", "psycopg"] = "asyncpg"
    """What SQLAlchemy speaks through."""

    prepared: bool = True
    """Prepare statements; off, neither of asyncpg's two caches below holds any, as an old
    PgBouncer needs. psycopg prepares at the sixth use, and forgets at a ROLLBACK, with which a
    read ends unless autocommit."""

    prepared_statement_cache_size: Annotated[int, Ge(0)] = 100
    """Statements SQLAlchemy keeps prepared per connection of asyncpg's."""

    statement_cache_size: Annotated[int, Ge(0)] = 100
    """Statements asyncpg itself keeps prepared per connection."""

    autocommit: bool = False
    """isolation_level AUTOCOMMIT. Off, a read costs BEGIN and ROLLBACK as well."""

    style: Style = "orm"
    """A Session and mapped classes, or a Connection and the SQL that matched lanes share."""

    books: Books = "selectin"
    """How a book gets its links: in a query each, in one by a join, when they are read (which
    asyncio cannot do), or as JSON that the database makes of them all."""

    lambda_statements: bool = False
    """Build the ORM's reads with `lambda_stmt`."""

    echo: bool = False
    """Log every statement to stdout."""


LANES: Mapping[str, Mapping[str, object]] = {
    "idiomatic": {},
    "matched": {"style": "core", "autocommit": True, "max_overflow": 0},
}


def unsupported(options: Options, endpoint: Endpoint) -> str | None:
    """Return why these options cannot be honoured, or None."""
    if options.style == "orm" and options.books == "lazy" and endpoint == "books_list":
        return (
            "MissingGreenlet: an attribute that is loaded when it is read would have to wait for "
            "the database where nothing can be awaited"
        )
    return core_lacks(options.style, options.books, endpoint, lambdas=options.lambda_statements)


@asynccontextmanager
async def connect(dsn: str, options: Options) -> AsyncIterator[Adapter]:
    """Yield the adapter over a pool that is full and whose every statement is prepared."""
    engine = _engine(dsn, options)
    try:
        await _warm(engine, options)
        yield _adapter(engine, options)
    finally:
        await engine.dispose()


class Orm:
    """The four endpoints in an AsyncSession each, with mapped classes."""

    __slots__ = ("_begin", "_json_agg", "_reads", "_session")

    def __init__(
        self,
        session: Callable[[], AbstractAsyncContextManager[AsyncSession]],
        begin: Callable[[], AbstractAsyncContextManager[AsyncSession]],
        reads: Reads,
        *,
        json_agg: bool,
    ) -> None:
        self._session = session
        self._begin = begin
        self._reads = reads
        self._json_agg = json_agg

    async def list_users(self, limit: int) -> Json:
        """Fetch users: one query."""
        async with self._session() as session:
            return [user_json(user) for user in await session.scalars(self._reads.users(limit))]

    async def get_user(self, user_id: int) -> Json | None:
        """Fetch one user: one query."""
        async with self._session() as session:
            if self._reads.lambdas:
                user = (await session.scalars(self._reads.user(user_id))).one_or_none()
            else:
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
        """Fetch books, their authors and their genres, as `books` says."""
        async with self._session() as session:
            if self._json_agg:
                return await _books_json(session, limit)
            found = await session.scalars(self._reads.books(limit))
            return [book_json(book) for book in (found.unique() if self._reads.unique else found)]


class Core:
    """The four endpoints on an AsyncConnection each, with the shared SQL."""

    __slots__ = ("_begin", "_connect", "_json_agg")

    def __init__(
        self,
        connect: Callable[[], AbstractAsyncContextManager[AsyncConnection]],
        begin: Callable[[], AbstractAsyncContextManager[AsyncConnection]],
        *,
        json_agg: bool,
    ) -> None:
        self._connect = connect
        self._begin = begin
        self._json_agg = json_agg

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
        """Fetch books, their authors and their genres: a query each, or one with json_agg."""
        async with self._connect() as connection:
            if self._json_agg:
                return await _books_json(connection, limit)
            result = await connection.execute(Shared.list_books, {"limit": limit})
            found = [book_row_json(row) for row in result]
            ids = {"ids": [book["id"] for book in found]}
            authors = (await connection.execute(Shared.book_authors, ids)).all()
            genres = (await connection.execute(Shared.book_genres, ids)).all()
        return with_links(found, authors, genres)


async def _books_json(session: AsyncSession | AsyncConnection, limit: int) -> bytes:
    found = await session.execute(Shared.list_books_json, {"limit": limit})
    document: str = found.scalar_one()
    return document.encode()


def _engine(dsn: str, options: Options) -> AsyncEngine:
    isolation: dict[str, Any] = {"isolation_level": "AUTOCOMMIT"} if options.autocommit else {}
    return create_async_engine(
        f"postgresql+{options.driver}://",
        poolclass=TimedAsyncQueuePool,
        pool_size=options.pool_size,
        max_overflow=options.max_overflow,
        pool_timeout=options.pool_timeout,
        pool_recycle=options.pool_recycle,
        pool_pre_ping=options.pool_pre_ping,
        echo=options.echo,
        **_connecting(dsn, options),
        **isolation,
    )


def _connecting(dsn: str, options: Options) -> dict[str, Any]:
    """Return how the engine connects.

    The DSN goes to the driver as it is: an SQLAlchemy URL would take it apart, and every
    driver is to see the same one. To asyncpg not through `async_creator`, which drops
    prepared_statement_cache_size.
    """
    if options.driver == "asyncpg":
        kept = options.prepared
        return {
            "connect_args": {
                "dsn": dsn,
                "prepared_statement_cache_size": kept * options.prepared_statement_cache_size,
                "statement_cache_size": kept * options.statement_cache_size,
            }
        }
    if options.prepared:
        return {"async_creator": lambda: psycopg.AsyncConnection.connect(dsn)}
    return {"async_creator": lambda: psycopg.AsyncConnection.connect(dsn, prepare_threshold=None)}


def _adapter(engine: AsyncEngine, options: Options) -> Orm | Core:
    json_agg = options.books == "json_agg"
    if options.style == "orm":
        sessions = async_sessionmaker(engine)
        return Orm(sessions, sessions.begin, _reads(options), json_agg=json_agg)
    return Core(engine.connect, engine.begin, json_agg=json_agg)


def _reads(options: Options) -> Reads:
    return Reads(options.books, lambdas=options.lambda_statements)


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
            async with _preparing(connection), connection.begin() as transaction:
                await _run_everything(connection, options)
                await transaction.rollback()


async def _checked_out(
    engine: AsyncEngine, count: int, held: AsyncExitStack
) -> Sequence[AsyncConnection]:
    return [await held.enter_async_context(engine.connect()) for _ in range(count)]


@asynccontextmanager
async def _preparing(connection: AsyncConnection) -> AsyncIterator[None]:
    """Let psycopg prepare at the first use, which stands in for those before its threshold."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    threshold = getattr(driver, "prepare_threshold", None)
    if threshold is not None:
        driver.prepare_threshold = 0
    yield
    if threshold is not None:
        driver.prepare_threshold = threshold


async def _run_everything(connection: AsyncConnection, options: Options) -> None:
    """Do the work of every endpoint in a transaction, and leave no row of it.

    With autocommit SQLAlchemy sends no BEGIN: then this does, and it deletes what it has
    inserted, for at a ROLLBACK psycopg would forget what it has prepared.
    """
    if options.autocommit:
        await connection.exec_driver_sql("BEGIN")
    work = _work_on(connection, options)
    await work.list_users(1)
    await work.get_user(1)
    user: Any = await work.insert_user("warm-up", "warm-up@example.com")
    if unsupported(options, "books_list") is None:
        await work.list_books(20)
    if options.autocommit:
        await connection.execute(Shared.delete_user, {"id": user["id"]})
        await connection.exec_driver_sql("COMMIT")


def _work_on(connection: AsyncConnection, options: Options) -> Orm | Core:
    """Do the work on one connection, whose transaction stays open."""
    json_agg = options.books == "json_agg"
    if options.style == "orm":
        begin = async_sessionmaker(connection, join_transaction_mode="create_savepoint").begin
        return Orm(begin, begin, _reads(options), json_agg=json_agg)
    kept = _Kept(connection)
    return Core(lambda: kept, lambda: kept, json_agg=json_agg)


class _Kept(AbstractAsyncContextManager[AsyncConnection]):
    """A connection that its `async with` block neither commits nor closes."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def __aenter__(self) -> AsyncConnection:
        return self._connection

    async def __aexit__(self, *_exception: object) -> None:
        return None
