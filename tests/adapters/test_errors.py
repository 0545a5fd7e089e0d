import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterator

import asyncpg
import psycopg
import psycopg2  # type: ignore[import-untyped]
import psycopg_pool
import pytest
import sqlalchemy.exc
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from adapters.base import Adapter
from adapters.errors import MESSAGE_MAX_CHARS, PoolTimeout, classify, message
from tests.adapters.stacks import NAMES, opened, without_overflow
from tests.conftest import Database


@contextlib.asynccontextmanager
async def users_locked(database: Database) -> AsyncIterator[None]:
    """Make every request for users wait."""
    async with await psycopg.AsyncConnection.connect(database.dsn) as connection:
        await connection.execute("LOCK TABLE harness.users IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.mark.parametrize("name", NAMES)
def test_a_pool_that_stays_exhausted_is_a_pool_timeout(database: Database, name: str) -> None:
    async def provoke() -> BaseException:
        async with opened(
            name, database.dsn, pool_size=1, pool_timeout=0.05, **without_overflow(name)
        ) as adapter:
            async with users_locked(database):
                both = [asyncio.ensure_future(adapter.get_user(7)) for _ in range(2)]
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            outcomes = await asyncio.gather(*both, return_exceptions=True)
        [error] = [each for each in outcomes if isinstance(each, BaseException)]
        return error

    error = asyncio.run(provoke())
    assert classify(error) == "pool_timeout"
    assert message(error)


@pytest.fixture
def role(database: Database) -> Iterator[str]:
    """Make a role that may have one connection and may see nothing."""
    with a_role(database, "narrow", limit=1) as dsn:
        yield dsn


END_ALL = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s"


@contextlib.contextmanager
def a_role(database: Database, name: str, limit: int) -> Iterator[str]:
    """Yield the DSN of a role that may have `limit` connections."""
    who = sql.Identifier(name)
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN CONNECTION LIMIT {} PASSWORD {}").format(
                who, sql.Literal(limit), sql.Literal(database.password)
            )
        )
        yield dataclasses.replace(database.address, user=name).dsn(name)
        connection.execute(END_ALL, (name,))
        connection.execute(sql.SQL("DROP OWNED BY {}").format(who))
        connection.execute(sql.SQL("DROP ROLE {}").format(who))


async def failure_to_open(name: str, dsn: str, pool_size: int) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each driver has its own
        async with opened(name, dsn, pool_size=pool_size):
            pass
    return caught.value


@pytest.mark.parametrize("name", NAMES)
def test_a_server_that_takes_no_more_connections_is_too_many_clients(role: str, name: str) -> None:
    error = asyncio.run(failure_to_open(name, role, pool_size=2))
    assert classify(error) == "too_many_clients"


def test_a_psycopg_pool_that_lacks_what_the_server_refuses_says_so(database: Database) -> None:
    """Its own PoolTimeout has no cause: the reason is only in its log."""

    async def provoke() -> BaseException:
        async with (
            await psycopg.AsyncConnection.connect(database.dsn, autocommit=True) as admin,
            opened("psycopg_pool", crowded, pool_size=1, pool_timeout=0.5) as adapter,
        ):
            await admin.execute("ALTER ROLE crowded CONNECTION LIMIT 0")
            await admin.execute(END_ALL, ("crowded",))
            errors = [await failed(adapter) for _ in range(2)]  # the first finds the lost one
        return errors[-1]

    async def failed(adapter: Adapter) -> BaseException:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - of two kinds
            await adapter.get_user(7)
        return caught.value

    with a_role(database, "crowded", limit=1) as crowded:
        with psycopg.connect(database.dsn, autocommit=True) as admin:
            admin.execute("GRANT USAGE ON SCHEMA harness TO crowded")
            admin.execute("GRANT ALL ON ALL TABLES IN SCHEMA harness TO crowded")
        error = asyncio.run(provoke())
    assert classify(error) == "too_many_clients"
    assert "couldn't get a connection" in message(error)
    assert "too many connections for role" in message(error)


def test_a_server_whose_connections_are_all_taken_is_too_many_clients(database: Database) -> None:
    error = asyncio.run(failure_to_open("asyncpg_pool", database.dsn, pool_size=200))
    assert classify(error) == "too_many_clients"


@pytest.mark.parametrize("name", NAMES)
def test_a_database_that_is_not_there_is_a_database_error(database: Database, name: str) -> None:
    nowhere = database.dsn.replace("/postgres?", "/nowhere?")
    error = asyncio.run(failure_to_open(name, nowhere, pool_size=1))
    assert classify(error) == "database"
    assert 'database "nowhere" does not exist' in message(error)


@pytest.mark.parametrize("name", NAMES)
def test_a_statement_the_server_refuses_is_a_database_error(role: str, name: str) -> None:
    error = asyncio.run(failure_to_open(name, role, pool_size=1))
    assert classify(error) == "database"
    assert "permission denied" in message(error)


@pytest.mark.parametrize("name", NAMES)
def test_a_backend_that_is_ended_in_mid_query_is_a_database_error_and_no_more(
    database: Database, name: str
) -> None:
    application = f"ended {name}"
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = %s AND wait_event_type = 'Lock'"
    )

    async def provoke() -> tuple[BaseException | None, object]:
        async with (
            opened(name, database.address.dsn(application), pool_size=1) as adapter,
            await psycopg.AsyncConnection.connect(database.dsn, autocommit=True) as admin,
        ):
            async with users_locked(database):
                request = asyncio.ensure_future(adapter.get_user(7))
                while (await admin.execute(end, (application,))).rowcount == 0:
                    pass
                await asyncio.wait({request})
            return request.exception(), await adapter.get_user(7)

    error, answer = asyncio.run(provoke())
    assert error is not None
    assert classify(error) == "database"
    assert answer is not None


def raised(error: BaseException, cause: BaseException) -> BaseException:
    try:
        raise error from cause
    except type(error) as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("x"), "app"),
        (TimeoutError(), "app"),
        (ConnectionRefusedError(111, "Connection refused"), "database"),
        (PoolTimeout("none"), "pool_timeout"),
        (psycopg_pool.PoolTimeout("none"), "pool_timeout"),
        (sqlalchemy.exc.TimeoutError("QueuePool limit"), "pool_timeout"),
        (asyncpg.TooManyConnectionsError("x"), "too_many_clients"),
        (asyncpg.InterfaceError("pool is closing"), "database"),
        (asyncpg.UndefinedTableError("x"), "database"),
        (psycopg.errors.TooManyConnections("x"), "too_many_clients"),
        (psycopg.OperationalError("FATAL:  sorry, too many clients already"), "too_many_clients"),
        (psycopg.errors.UndefinedTable("too many clients already"), "database"),
        (
            psycopg2.OperationalError("FATAL:  remaining connection slots are reserved for x"),
            "too_many_clients",
        ),
        (psycopg2.ProgrammingError("x"), "database"),
        (ValueError("too many clients already"), "app"),
        (
            sqlalchemy.exc.DBAPIError("q", {}, asyncpg.TooManyConnectionsError("x")),
            "too_many_clients",
        ),
        (sqlalchemy.exc.OperationalError("q", {}, psycopg2.OperationalError("x")), "database"),
        (sqlalchemy.exc.InvalidRequestError("x"), "app"),
        (raised(RuntimeError("x"), asyncpg.TooManyConnectionsError("y")), "too_many_clients"),
        (
            raised(PoolTimeout("x"), psycopg.OperationalError("too many clients already")),
            "too_many_clients",
        ),
    ],
    ids=repr,
)
def test_an_exception_is_of_the_class_its_cause_says(error: Exception, expected: str) -> None:
    assert classify(error) == expected


def test_a_cycle_of_causes_ends() -> None:
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    assert classify(first) == "app"


@given(st.text())
def test_a_message_is_one_short_line_and_never_empty(text: str) -> None:
    said = message(ValueError(text))
    assert said
    assert len(said) <= MESSAGE_MAX_CHARS
    assert len(said.splitlines()) == 1


def test_a_message_never_holds_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    error = ValueError("postgresql://me:s3cret@host/db password=other and hunter2")
    said = message(error)
    assert not {"s3cret", "other", "hunter2"} & set(said.replace("=", " ").split())
    assert "s3cret" not in said
    assert "hunter2" not in said
