"""A real database behind a relay."""

import asyncio
import contextlib
import time

import psutil
import psycopg
import pytest

from harness.database.address import Address
from harness.distance.far import at_distance
from harness.errors import NothingMeasurable
from harness.model import Distance
from harness.processes import Processes
from tests.conftest import Database

GONE_WITHIN_S = 10.0
NAME = "harness-far"
LEFT = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"


def test_a_distance_is_measured_and_no_distance_is_none(
    database: Database, processes: Processes
) -> None:
    async def measure(rtt_ms: float) -> Distance:
        async with at_distance(database.address, rtt_ms, processes, None) as place:
            await place.load_begins()
            ask(place.address)
            await place.load_ended()
            return await place.distance()

    assert asyncio.run(measure(0.0)) == Distance()
    found = asyncio.run(measure(2.0))
    assert found.rtt_measured_ms is not None
    assert found.rtt_loaded_ms is not None
    assert found.rtt_measured_ms > 0


def ask(address: Address) -> None:
    with psycopg.connect(address.dsn("harness-tests"), password=address.password) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_no_distance_is_the_database_itself(database: Database, processes: Processes) -> None:
    async def address() -> Address:
        async with at_distance(database.address, 0.0, processes, None) as place:
            return place.address

    assert asyncio.run(address()) == database.address


def test_connections_end_with_the_relay(database: Database, processes: Processes) -> None:
    async def leave() -> psycopg.AsyncConnection[tuple[object, ...]]:
        async with at_distance(database.address, 0.5, processes, None) as place:
            address = place.address
            return await psycopg.AsyncConnection.connect(
                address.dsn(NAME), password=address.password
            )

    async def begin() -> None:
        connection = await leave()
        with pytest.raises(psycopg.OperationalError):
            await connection.execute("SELECT 1")
        with psycopg.connect(database.dsn, autocommit=True) as near:
            deadline = time.monotonic() + GONE_WITHIN_S
            while near.execute(LEFT, (NAME,)).fetchone() != (0,):
                assert time.monotonic() < deadline

    asyncio.run(begin())


def test_a_database_that_cannot_be_reached_is_said_so(processes: Processes) -> None:
    nowhere = Address("127.0.0.1", 1, "nobody", "nothing", None)

    async def begin() -> None:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(at_distance(nowhere, 1.0, processes, None))

    with pytest.raises(NothingMeasurable, match="database: "):
        asyncio.run(begin())


def test_a_relay_that_dies_is_said_so(database: Database, processes: Processes) -> None:
    async def begin() -> None:
        async with at_distance(database.address, 0.5, processes, None) as place:
            for each in relays():
                each.kill()
            await place.load_begins()

    with pytest.raises(NothingMeasurable, match="the relay ended"):
        asyncio.run(begin())


def relays() -> list[psutil.Process]:
    return [
        each
        for each in psutil.Process().children()
        if "harness.distance.relay" in " ".join(each.cmdline())
    ]
