"""Connections seen in a real server's pg_stat_activity."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import psycopg

from harness.database.address import Session
from harness.database.sampling import EVERY_S, Seen, looking, sampling
from tests.conftest import Database

DEADLINE_S = 30.0


async def until(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not found():  # noqa: ASYNC110 - a sample is no event of ours
            await asyncio.sleep(EVERY_S / 10)


@asynccontextmanager
async def sampled(
    database: Database, *names: str
) -> AsyncIterator[tuple[Mapping[str, Seen], Session]]:
    """Yield what is seen of `names`, and the session that looks."""
    async with looking(database.address) as session, sampling(session, names, {}) as seen:
        assert session is not None
        yield seen, session


def test_states_and_last_statements_are_those_of_the_named_application(database: Database) -> None:
    async def scenario() -> Mapping[str, Seen]:
        dsn = database.address.dsn("harness-seen")
        async with (
            await psycopg.AsyncConnection.connect(dsn) as one,
            await psycopg.AsyncConnection.connect(dsn) as other,
            sampled(database, "harness-seen", "harness-absent") as (found, _),
        ):
            await one.execute("SELECT 1")
            await one.rollback()
            await other.execute("SELECT 2")  # and its transaction stays open
            seen = found["harness-seen"]
            await until(lambda: seen.last_statements["ROLLBACK"] > 0)
            await until(lambda: "idle in transaction" in seen.by_state)
        return found

    found = asyncio.run(scenario())
    assert found["harness-seen"].most == 2
    assert found["harness-seen"].by_state["idle in transaction"] >= 1
    assert found["harness-absent"].most == 0


def test_all_samples_are_one_transaction(database: Database) -> None:
    """The database's count of a block's work then holds one of ours, however long it lasts."""

    async def scenario() -> tuple[object, object]:
        async with (
            await psycopg.AsyncConnection.connect(
                database.address.dsn("harness-seen"), autocommit=True
            ) as one,
            sampled(database, "harness-seen") as (found, session),
        ):

            async def began() -> object:
                rows = await one.execute(
                    "SELECT xact_start FROM pg_stat_activity WHERE pid = %s",
                    (session.info.backend_pid,),
                )
                return await rows.fetchone()

            seen = found["harness-seen"]
            await until(lambda: seen.last_statements.total() >= 1)
            first = await began()
            await until(lambda: seen.last_statements.total() >= 4)
            return first, await began()

    first, last = asyncio.run(scenario())
    assert first == last != (None,)


def test_a_server_that_ends_the_connection_ends_the_looking_and_nothing_else(
    database: Database,
) -> None:
    async def scenario() -> Seen:
        async with (
            await psycopg.AsyncConnection.connect(database.dsn, autocommit=True) as admin,
            sampled(database, "harness-tests") as (found, session),
        ):
            await until(lambda: found["harness-tests"].most > 0)
            pid = session.info.backend_pid
            await admin.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        return found["harness-tests"]

    assert asyncio.run(scenario()).most >= 1
