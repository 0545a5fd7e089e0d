"""SQLAlchemy on psycopg2, in threads, as a plain `def` endpoint runs it.

Source: https://docs.sqlalchemy.org/en/21/core/pooling.html,
https://docs.sqlalchemy.org/en/21/orm/session_basics.html and
https://docs.sqlalchemy.org/en/21/core/connections.html (AUTOCOMMIT).
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import psycopg2  # type: ignore[import-untyped]
from anyio import CapacityLimiter, to_thread
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.orm import Session, sessionmaker

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
    """`create_engine`'s parameters by their own names, at its defaults, and three of ours."""

    max_overflow: int = 10
    """Connections beyond pool_size: opened when it is exhausted, closed on their return."""

    pool_pre_ping: bool = False
    """Test a connection on every checkout: a round trip."""

    pool_recycle: int = -1
    """Seconds after which a connection is replaced; -1 is never."""

    autocommit: bool = False
    """isolation_level AUTOCOMMIT. Off, a read costs BEGIN and ROLLBACK as well."""

    style: Literal["orm", "core"] = "orm"
    """A Session and mapped classes, or a Connection and the SQL that matched lanes share."""

    threads: int = 40
    """Requests in the database's threads at once; the rest wait in line (anyio's default)."""


LANES: Mapping[str, Mapping[str, object]] = {
    "idiomatic": {},
    "matched": {"style": "core", "autocommit": True, "max_overflow": 0},
}


@asynccontextmanager
async def connect(dsn: str, options: Options) -> AsyncIterator[Adapter]:
    """Yield the adapter over a pool that is full and has run every statement."""
    engine = _engine(dsn, options)
    limiter = CapacityLimiter(options.threads)
    try:
        await to_thread.run_sync(_warm, engine, options, limiter=limiter)
        yield Threaded(_work(engine, options.style), limiter)
    finally:
        await to_thread.run_sync(engine.dispose, limiter=limiter)


class Threaded:
    """The four endpoints; each is one hop to a thread and all its work there."""

    __slots__ = ("_limiter", "_work")

    def __init__(self, work: "Work", limiter: CapacityLimiter) -> None:
        self._work = work
        self._limiter = limiter

    async def list_users(self, limit: int) -> Json:
        """Fetch users: one query."""
        return await to_thread.run_sync(self._work.list_users, limit, limiter=self._limiter)

    async def get_user(self, user_id: int) -> Json | None:
        """Fetch one user: one query."""
        return await to_thread.run_sync(self._work.get_user, user_id, limiter=self._limiter)

    async def insert_user(self, name: str, email: str) -> Json:
        """Insert a user: one statement and a commit."""
        return await to_thread.run_sync(self._work.insert_user, name, email, limiter=self._limiter)

    async def list_books(self, limit: int) -> Json:
        """Fetch books, their authors and their genres: a query each."""
        return await to_thread.run_sync(self._work.list_books, limit, limiter=self._limiter)


class Work(Protocol):
    """The endpoints as blocking calls."""

    def list_users(self, limit: int) -> Json:
        """Fetch users: one query."""
        ...

    def get_user(self, user_id: int) -> Json | None:
        """Fetch one user: one query."""
        ...

    def insert_user(self, name: str, email: str) -> Json:
        """Insert a user: one statement and a commit."""
        ...

    def list_books(self, limit: int) -> Json:
        """Fetch books, their authors and their genres: a query each."""
        ...


class Orm:
    """The endpoints in a Session each, with mapped classes."""

    __slots__ = ("_begin", "_session")

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._session: Callable[[], AbstractContextManager[Session]] = sessions
        self._begin = sessions.begin

    def list_users(self, limit: int) -> Json:
        """Fetch users: one query."""
        with self._session() as session:
            return [user_json(user) for user in session.scalars(users(limit))]

    def get_user(self, user_id: int) -> Json | None:
        """Fetch one user: one query."""
        with self._session() as session:
            user = session.get(User, user_id)
            return None if user is None else user_json(user)

    def insert_user(self, name: str, email: str) -> Json:
        """Insert a user: one statement and a commit."""
        with self._begin() as session:
            user = User(name=name, email=email)
            session.add(user)
            # Read before the commit expires it: after, each attribute is a query again.
            session.flush()
            return user_json(user)

    def list_books(self, limit: int) -> Json:
        """Fetch books, their authors and their genres: a query each."""
        with self._session() as session:
            return [book_json(book) for book in session.scalars(books(limit))]


class Core:
    """The endpoints on a Connection each, with the shared SQL."""

    __slots__ = ("_begin", "_connect")

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[Connection]],
        begin: Callable[[], AbstractContextManager[Connection]],
    ) -> None:
        self._connect = connect
        self._begin = begin

    def list_users(self, limit: int) -> Json:
        """Fetch users: one query."""
        with self._connect() as connection:
            rows = connection.execute(Shared.list_users, {"limit": limit})
            return [user_row_json(row) for row in rows]

    def get_user(self, user_id: int) -> Json | None:
        """Fetch one user: one query."""
        with self._connect() as connection:
            row = connection.execute(Shared.get_user, {"id": user_id}).first()
            return None if row is None else user_row_json(row)

    def insert_user(self, name: str, email: str) -> Json:
        """Insert a user: one statement and a commit."""
        with self._begin() as connection:
            user = {"name": name, "email": email}
            return user_row_json(connection.execute(Shared.insert_user, user).one())

    def list_books(self, limit: int) -> Json:
        """Fetch books, their authors and their genres: a query each."""
        with self._connect() as connection:
            rows = connection.execute(Shared.list_books, {"limit": limit})
            found = [book_row_json(row) for row in rows]
            ids = {"ids": [book["id"] for book in found]}
            authors = connection.execute(Shared.book_authors, ids).all()
            genres = connection.execute(Shared.book_genres, ids).all()
        return with_links(found, authors, genres)


def _engine(dsn: str, options: Options) -> Engine:
    # The creator hands the DSN to libpq as it is: an SQLAlchemy URL would take it
    # apart, and every driver is to see the same one.
    isolation: dict[str, Any] = {"isolation_level": "AUTOCOMMIT"} if options.autocommit else {}
    return create_engine(
        "postgresql+psycopg2://",
        creator=lambda: psycopg2.connect(dsn),
        pool_size=options.pool_size,
        max_overflow=options.max_overflow,
        pool_timeout=options.pool_timeout,
        pool_recycle=options.pool_recycle,
        pool_pre_ping=options.pool_pre_ping,
        **isolation,
    )


def _work(engine: Engine, style: str) -> Work:
    if style == "orm":
        return Orm(sessionmaker(engine))
    return Core(engine.connect, engine.begin)


def _warm(engine: Engine, options: Options) -> None:
    """Run every statement once on every connection of the pool, all of them held at once.

    SQLAlchemy compiles each statement once an engine; psycopg2 prepares none. They
    are all checked out twice, so that the ping of pool_pre_ping has run as well.
    """
    with ExitStack() as held:
        _checked_out(engine, options.pool_size, held)
    with ExitStack() as held:
        for connection in _checked_out(engine, options.pool_size, held):
            with connection.begin() as transaction:
                _run_everything(connection, options)
                transaction.rollback()


def _checked_out(engine: Engine, count: int, held: ExitStack) -> Sequence[Connection]:
    return [held.enter_context(engine.connect()) for _ in range(count)]


def _run_everything(connection: Connection, options: Options) -> None:
    # With autocommit SQLAlchemy sends no BEGIN, and the insert must be undone. Not by
    # another isolation_level: psycopg2 would name one in every BEGIN that follows.
    if options.autocommit:
        connection.exec_driver_sql("BEGIN")
    work = _work_on(connection, options.style)
    work.list_users(1)
    work.get_user(1)
    work.insert_user("warm-up", "warm-up@example.com")
    work.list_books(20)
    if options.autocommit:
        connection.exec_driver_sql("ROLLBACK")


def _work_on(connection: Connection, style: str) -> Work:
    """Do the work on one connection, whose transaction stays open."""
    if style == "orm":
        return Orm(sessionmaker(connection, join_transaction_mode="create_savepoint"))
    kept = _Kept(connection)
    return Core(lambda: kept, lambda: kept)


class _Kept(AbstractContextManager[Connection]):
    """A connection that its `with` block neither commits nor closes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> Connection:
        return self._connection

    def __exit__(self, *_exception: object) -> None:
        return None
