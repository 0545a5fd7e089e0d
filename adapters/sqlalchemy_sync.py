"""SQLAlchemy on psycopg2 or psycopg 3, in threads, as a plain `def` endpoint runs it.

Source: https://docs.sqlalchemy.org/en/21/core/pooling.html,
https://docs.sqlalchemy.org/en/21/orm/session_basics.html and
https://docs.sqlalchemy.org/en/21/core/connections.html (AUTOCOMMIT).
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

import psycopg
import psycopg2  # type: ignore[import-untyped]
from annotated_types import Ge
from anyio import CapacityLimiter, to_thread
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.orm import Session, sessionmaker

from adapters.base import Adapter, Endpoint, Json, PoolOptions
from adapters.books import with_links
from adapters.hops import Open, Shape, Travel, travelling
from adapters.orm import (
    Shared,
    User,
    book_json,
    book_row_json,
    user_json,
    user_row_json,
)
from adapters.reads import Books, Reads, Style, core_lacks
from adapters.timed_pools import TimedQueuePool


@dataclass(frozen=True, slots=True)
class Options(PoolOptions):
    """`create_engine`'s parameters by their own names, at its defaults, and some of ours."""

    max_overflow: Annotated[int, Ge(-1)] = 10
    """Connections beyond pool_size: opened when it is exhausted, closed on their return."""

    pool_pre_ping: bool = False
    """Test a connection on every checkout: a round trip."""

    pool_recycle: Annotated[int, Ge(-1)] = -1
    """Seconds after which a connection is replaced; -1 is never."""

    driver: Literal["psycopg2", "psycopg"] = "psycopg2"
    """What SQLAlchemy speaks through."""

    prepared: bool | None = None
    """Prepare statements. Unless said: as the driver does, psycopg at the sixth use. psycopg2
    cannot; and psycopg forgets them at a ROLLBACK, with which a read ends unless autocommit."""

    autocommit: bool = False
    """isolation_level AUTOCOMMIT. Off, a read costs BEGIN and ROLLBACK as well."""

    style: Style = "orm"
    """A Session and mapped classes, or a Connection and the SQL that matched lanes share."""

    books: Books = "selectin"
    """How a book gets its links: in a query each, in one by a join, in two a book when they are
    read, or as JSON that the database makes of them all."""

    lambda_statements: bool = False
    """Build the ORM's reads with `lambda_stmt`."""

    echo: bool = False
    """Log every statement to stdout."""

    threads: Annotated[int, Ge(1)] = 40
    """Hops in the database's threads at once; the rest wait in line (anyio's default)."""

    session: Shape = "one_hop"
    """A request's session in one hop; or opened, used and closed in a hop each; or closed in
    one a little after the response."""


LANES: Mapping[str, Mapping[str, object]] = {
    "idiomatic": {},
    "matched": {"style": "core", "autocommit": True, "max_overflow": 0},
}


def unsupported(options: Options, endpoint: Endpoint) -> str | None:
    """Return why these options cannot be honoured, or None."""
    if options.prepared and options.driver == "psycopg2":
        return "psycopg2 cannot prepare: it writes the parameters into the statement itself"
    return core_lacks(options.style, options.books, endpoint, lambdas=options.lambda_statements)


@asynccontextmanager
async def connect(dsn: str, options: Options) -> AsyncIterator[Adapter]:
    """Yield the adapter over a pool that is full and has run every statement."""
    engine = _engine(dsn, options)
    limiter = CapacityLimiter(options.threads)
    sessions: Open = sessionmaker(engine) if options.style == "orm" else engine.connect
    try:
        await to_thread.run_sync(_warm, engine, options, limiter=limiter)
        async with travelling(options.session, sessions, limiter) as travel:
            yield Threaded(_work(options), travel)
    finally:
        # In a thread of its own: those of the limiter may all wait for the pool.
        await to_thread.run_sync(engine.dispose)


class Threaded:
    """The four endpoints, each carried to a thread and back."""

    __slots__ = ("_travel", "_work")

    def __init__(self, work: "Work", travel: Travel) -> None:
        self._work = work
        self._travel = travel

    async def list_users(self, limit: int) -> Json:
        """Fetch users: one query."""
        return await self._travel(self._work.list_users, limit)

    async def get_user(self, user_id: int) -> Json | None:
        """Fetch one user: one query."""
        return await self._travel(self._work.get_user, user_id)

    async def insert_user(self, name: str, email: str) -> Json:
        """Insert a user: one statement and a commit."""
        return await self._travel(self._inserted, name, email)

    async def list_books(self, limit: int) -> Json:
        """Fetch books, their authors and their genres, as `books` says."""
        return await self._travel(self._work.list_books, limit)

    def _inserted(self, session: Session | Connection, name: str, email: str) -> Json:
        row = self._work.insert_user(session, name, email)
        session.commit()
        return row


class Work(Protocol):
    """The endpoints as blocking calls on an open Session or Connection; none of them commits."""

    def list_users(self, session: Any, limit: int) -> Json:
        """Fetch users: one query."""
        ...

    def get_user(self, session: Any, user_id: int) -> Json | None:
        """Fetch one user: one query."""
        ...

    def insert_user(self, session: Any, name: str, email: str) -> Json:
        """Insert a user: one statement."""
        ...

    def list_books(self, session: Any, limit: int) -> Json:
        """Fetch books, their authors and their genres."""
        ...


class Orm:
    """The endpoints in a Session, with mapped classes."""

    __slots__ = ("_json_agg", "_reads")

    def __init__(self, reads: Reads, *, json_agg: bool) -> None:
        self._reads = reads
        self._json_agg = json_agg

    def list_users(self, session: Session, limit: int) -> Json:
        """Fetch users: one query."""
        return [user_json(user) for user in session.scalars(self._reads.users(limit))]

    def get_user(self, session: Session, user_id: int) -> Json | None:
        """Fetch one user: one query."""
        if self._reads.lambdas:
            user = session.scalars(self._reads.user(user_id)).one_or_none()
        else:
            user = session.get(User, user_id)
        return None if user is None else user_json(user)

    def insert_user(self, session: Session, name: str, email: str) -> Json:
        """Insert a user: one statement."""
        user = User(name=name, email=email)
        session.add(user)
        # Read before a commit expires it: after, each attribute is a query again.
        session.flush()
        return user_json(user)

    def list_books(self, session: Session, limit: int) -> Json:
        """Fetch books, their authors and their genres, as `books` says."""
        if self._json_agg:
            return _books_json(session, limit)
        found = session.scalars(self._reads.books(limit))
        return [book_json(book) for book in (found.unique() if self._reads.unique else found)]


class Core:
    """The endpoints on a Connection, with the shared SQL."""

    __slots__ = ("_json_agg",)

    def __init__(self, *, json_agg: bool) -> None:
        self._json_agg = json_agg

    def list_users(self, connection: Connection, limit: int) -> Json:
        """Fetch users: one query."""
        rows = connection.execute(Shared.list_users, {"limit": limit})
        return [user_row_json(row) for row in rows]

    def get_user(self, connection: Connection, user_id: int) -> Json | None:
        """Fetch one user: one query."""
        row = connection.execute(Shared.get_user, {"id": user_id}).first()
        return None if row is None else user_row_json(row)

    def insert_user(self, connection: Connection, name: str, email: str) -> Json:
        """Insert a user: one statement."""
        user = {"name": name, "email": email}
        return user_row_json(connection.execute(Shared.insert_user, user).one())

    def list_books(self, connection: Connection, limit: int) -> Json:
        """Fetch books, their authors and their genres: a query each, or one with json_agg."""
        if self._json_agg:
            return _books_json(connection, limit)
        rows = connection.execute(Shared.list_books, {"limit": limit})
        found = [book_row_json(row) for row in rows]
        ids = {"ids": [book["id"] for book in found]}
        authors = connection.execute(Shared.book_authors, ids).all()
        genres = connection.execute(Shared.book_genres, ids).all()
        return with_links(found, authors, genres)


def _books_json(session: Session | Connection, limit: int) -> bytes:
    document: str = session.execute(Shared.list_books_json, {"limit": limit}).scalar_one()
    return document.encode()


def _work(options: Options) -> Work:
    json_agg = options.books == "json_agg"
    if options.style == "core":
        return Core(json_agg=json_agg)
    return Orm(Reads(options.books, lambdas=options.lambda_statements), json_agg=json_agg)


def _engine(dsn: str, options: Options) -> Engine:
    # The creator hands the DSN to libpq as it is: an SQLAlchemy URL would take it
    # apart, and every driver is to see the same one.
    isolation: dict[str, Any] = {"isolation_level": "AUTOCOMMIT"} if options.autocommit else {}
    return create_engine(
        f"postgresql+{options.driver}://",
        creator=_creator(dsn, options),
        poolclass=TimedQueuePool,
        pool_size=options.pool_size,
        max_overflow=options.max_overflow,
        pool_timeout=options.pool_timeout,
        pool_recycle=options.pool_recycle,
        pool_pre_ping=options.pool_pre_ping,
        echo=options.echo,
        **isolation,
    )


def _creator(dsn: str, options: Options) -> Callable[[], Any]:
    if options.driver == "psycopg2":
        return lambda: psycopg2.connect(dsn)
    if options.prepared is False:
        return lambda: psycopg.connect(dsn, prepare_threshold=None)
    return lambda: psycopg.connect(dsn)


def _warm(engine: Engine, options: Options) -> None:
    """Run every statement once on every connection of the pool, all of them held at once.

    SQLAlchemy compiles each statement once an engine. They are all checked out twice, so
    that the ping of pool_pre_ping has run as well.
    """
    with ExitStack() as held:
        _checked_out(engine, options.pool_size, held)
    with ExitStack() as held:
        for connection in _checked_out(engine, options.pool_size, held):
            with _preparing(connection), connection.begin() as transaction:
                _run_everything(connection, options)
                transaction.rollback()


def _checked_out(engine: Engine, count: int, held: ExitStack) -> Sequence[Connection]:
    return [held.enter_context(engine.connect()) for _ in range(count)]


@contextmanager
def _preparing(connection: Connection) -> Iterator[None]:
    """Let psycopg prepare at the first use, which stands in for those before its threshold."""
    driver: Any = connection.connection.driver_connection
    threshold = getattr(driver, "prepare_threshold", None)
    if threshold is not None:
        driver.prepare_threshold = 0
    yield
    if threshold is not None:
        driver.prepare_threshold = threshold


def _run_everything(connection: Connection, options: Options) -> None:
    """Do the work of every endpoint in a transaction, and leave no row of it.

    With autocommit SQLAlchemy sends no BEGIN: then this does, and it deletes what it has
    inserted, for at a ROLLBACK psycopg would forget what it has prepared. Not by another
    isolation_level: psycopg2 would name one in every BEGIN that follows.
    """
    if options.autocommit:
        connection.exec_driver_sql("BEGIN")
    work = _work(options)
    _run(connection, options, work.list_users, 1)
    _run(connection, options, work.get_user, 1)
    user: Any = _run(connection, options, work.insert_user, "warm-up", "warm-up@example.com")
    _run(connection, options, work.list_books, 20)
    if options.autocommit:
        connection.execute(Shared.delete_user, {"id": user["id"]})
        connection.exec_driver_sql("COMMIT")


def _run(
    connection: Connection, options: Options, work: Callable[..., Json | None], *arguments: object
) -> Json | None:
    """Do one endpoint's work on a connection whose transaction stays open."""
    if options.style == "core":
        return work(connection, *arguments)
    with Session(connection, join_transaction_mode="create_savepoint") as session:
        done = work(session, *arguments)
        session.commit()
        return done
