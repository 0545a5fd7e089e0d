"""A session's way through the threads, and what becomes of threads and connections that wait
for each other.

One connection, and two requests at once: which of their hops gets a thread first is decided
by the order they ask in.
"""

import asyncio
from typing import Any

import psycopg
import pytest

from adapters.errors import classify
from tests.adapters.stacks import opened
from tests.conftest import Database

LONG_S = 30.0


async def two_requests(dsn: str, session: str, threads: int, timeout_s: float) -> list[Any]:
    options: dict[str, Any] = {"pool_size": 1, "max_overflow": 0, "pool_timeout": timeout_s}
    async with opened(
        "sqlalchemy_sync", dsn, session=session, threads=threads, **options
    ) as adapter:
        both = (adapter.get_user(1), adapter.get_user(2))
        return [*await asyncio.gather(*both, return_exceptions=True)]


@pytest.mark.parametrize(
    ("session", "threads"),
    [("one_hop", 1), ("one_hop", 2), ("three_hops", 2), ("after_response", 2)],
)
def test_a_session_that_can_be_closed_lets_the_next_request_have_its_connection(
    database: Database, session: str, threads: int
) -> None:
    answers = asyncio.run(two_requests(database.dsn, session, threads, LONG_S))
    assert [answer["id"] for answer in answers if isinstance(answer, dict)] == [1, 2]


@pytest.mark.parametrize("session", ["three_hops", "after_response"])
def test_a_connection_that_waits_for_the_thread_that_waits_for_it_is_a_pool_timeout(
    database: Database, session: str
) -> None:
    first, second = asyncio.run(two_requests(database.dsn, session, 1, 0.1))
    assert isinstance(first, dict)
    assert isinstance(second, BaseException)
    assert classify(second) == "pool_timeout"


@pytest.mark.parametrize("session", ["one_hop", "three_hops", "after_response"])
def test_no_connection_is_left_when_the_adapter_has_ended(database: Database, session: str) -> None:
    application = f"hops {session}"
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"

    async def story() -> None:
        await two_requests(database.address.dsn(application), session, 1, 0.1)
        async with (
            asyncio.timeout(LONG_S),
            await psycopg.AsyncConnection.connect(database.dsn, autocommit=True) as connection,
        ):
            while await (await connection.execute(count, (application,))).fetchone() != (0,):
                pass

    asyncio.run(story())
