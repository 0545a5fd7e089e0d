"""Connections seen in a real server's pg_stat_activity."""

import asyncio
from collections.abc import Callable

import psycopg

from harness.database.sampling import EVERY_S, Sampling, sampling
from tests.conftest import Database

DEADLINE_S = 30.0


async def until(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not found():  # noqa: ASYNC110 - a sample is no event of ours
            await asyncio.sleep(EVERY_S / 10)


def test_states_and_last_statements_are_those_of_the_named_application(database: Database) -> None:
    async def scenario() -> Sampling:
        dsn = database.address.dsn("harness-seen")
        async with (
            await psycopg.AsyncConnection.connect(dsn) as one,
            await psycopg.AsyncConnection.connect(dsn) as other,
            sampling(database.address, ["harness-seen", "harness-absent"]) as sampled,
        ):
            await one.execute("SELECT 1")
            await one.rollback()
            await other.execute("SELECT 2")  # and its transaction stays open
            seen = sampled.seen["harness-seen"]
            await until(lambda: seen.last_statements["ROLLBACK"] > 0)
            await until(lambda: "idle in transaction" in seen.by_state)
        return sampled

    sampled = asyncio.run(scenario())
    seen = sampled.seen["harness-seen"]
    assert seen.most == 2
    assert seen.by_state["idle in transaction"] >= 1
    assert sampled.seen["harness-absent"].most == 0
    assert sampled.backend_pid is not None


def test_all_samples_are_one_transaction(database: Database) -> None:
    """The database's count of a block's work then holds one of ours, however long it lasts."""

    async def scenario() -> tuple[object, object]:
        async with (
            await psycopg.AsyncConnection.connect(
                database.address.dsn("harness-seen"), autocommit=True
            ) as one,
            sampling(database.address, ["harness-seen"]) as sampled,
        ):

            async def began() -> object:
                rows = await one.execute(
                    "SELECT xact_start FROM pg_stat_activity WHERE pid = %s",
                    (sampled.backend_pid,),
                )
                return await rows.fetchone()

            seen = sampled.seen["harness-seen"]
            await until(lambda: seen.last_statements.total() >= 1)
            first = await began()
            await until(lambda: seen.last_statements.total() >= 4)
            return first, await began()

    first, last = asyncio.run(scenario())
    assert first == last != (None,)


def test_a_server_that_ends_the_connection_ends_the_looking_and_nothing_else(
    database: Database,
) -> None:
    async def scenario() -> Sampling:
        async with (
            await psycopg.AsyncConnection.connect(database.dsn, autocommit=True) as admin,
            sampling(database.address, ["harness-tests"]) as sampled,
        ):
            await until(lambda: sampled.seen["harness-tests"].most > 0)
            await admin.execute("SELECT pg_terminate_backend(%s, 5000)", (sampled.backend_pid,))
        return sampled

    assert asyncio.run(scenario()).seen["harness-tests"].most >= 1
