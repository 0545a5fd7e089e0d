"""A tap between real sockets: it passes on what it hears, byte for byte, and every ending."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.wire.tap import Tap, tapped
from tests.conftest import Database
from tests.wire import talk

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

LONG_S = 30.0


@contextlib.asynccontextmanager
async def between() -> AsyncIterator[tuple[Tap, Streams, Streams]]:
    """Yield a tap, the client's end and the server's."""
    arrived: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set_result((reader, writer))

    async with (
        await asyncio.start_server(accept, "127.0.0.1", 0) as listener,
        tapped("127.0.0.1", listener.sockets[0].getsockname()[1]) as tap,
    ):
        client = await asyncio.open_connection("127.0.0.1", tap.port)
        server = await arrived
        yield tap, client, server
        for _, writer in (client, server):
            writer.close()


async def passed(parts: list[bytes], source: Streams, sink: Streams) -> bytes:
    for part in parts:
        source[1].write(part)
        await source[1].drain()
    return await sink[0].readexactly(sum(map(len, parts)))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=5), st.lists(st.binary(max_size=300), max_size=5))
def test_no_byte_is_altered_whatever_it_is(out: list[bytes], back: list[bytes]) -> None:
    async def story() -> None:
        async with between() as (_, client, server):
            assert await passed(out, client, server) == b"".join(out)
            assert await passed(back, server, client) == b"".join(back)

    asyncio.run(asyncio.wait_for(story(), LONG_S))


def test_a_side_that_has_no_more_to_say_still_hears_the_other() -> None:
    async def story() -> None:
        async with between() as (_, client, server):
            client[1].write_eof()
            assert await server[0].read() == b""
            assert await passed([b"the rest"], server, client) == b"the rest"

    asyncio.run(asyncio.wait_for(story(), LONG_S))


@pytest.mark.parametrize("first", ["client", "server"])
def test_a_side_whose_connection_breaks_ends_the_other(first: str) -> None:
    async def story() -> bytes:
        async with between() as (_, client, server):
            one, other = (client, server) if first == "client" else (server, client)
            one[1].transport.abort()
            with contextlib.suppress(ConnectionResetError):
                return await other[0].read()
            return b""

    assert asyncio.run(asyncio.wait_for(story(), LONG_S)) == b""


def test_a_server_that_is_not_there_closes_the_client() -> None:
    async def story() -> bytes:
        async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as gone:
            port = gone.sockets[0].getsockname()[1]
        async with tapped("127.0.0.1", port) as tap:
            reader, writer = await asyncio.open_connection("127.0.0.1", tap.port)
            said = await reader.read()
            writer.close()
            return said

    assert asyncio.run(asyncio.wait_for(story(), LONG_S)) == b""


def test_a_real_conversation_is_heard_while_it_goes_on(database: Database) -> None:
    async def story() -> tuple[list[tuple[str, ...]], list[str], list[int]]:
        address = database.address
        async with tapped(address.host, address.port) as tap:
            dsn = replace(address, port=tap.port).dsn("tap")
            async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
                tap.forget()
                for _ in range(7):
                    await connection.execute("SELECT id FROM harness.users WHERE id < %s", (3,))
                trips = tap.trips
                return (
                    [trip.sent for trip in trips],
                    [trip.statements[0].way for trip in trips],
                    [trip.statements[0].rows for trip in trips],
                )

    sent, ways, rows = asyncio.run(asyncio.wait_for(story(), LONG_S))
    unprepared = ("Parse", "Bind", "Describe", "Execute", "Sync")
    assert sent[0] == unprepared
    assert sent[-1] == ("Bind", "Describe", "Execute", "Sync")
    assert set(ways) == {"parsed"}
    assert rows == [2, 2, 2, 2, 2, 0, 2, 2]  # to prepare is a round trip of its own


def test_it_is_quiet_once_nothing_is_owed_and_no_transaction_is_open() -> None:
    async def story() -> list[bool]:
        loop, found = asyncio.get_running_loop(), []
        async with between() as (tap, client, server):
            await passed([talk.STARTUP], client, server)
            await passed([talk.LOGGED_IN], server, client)
            await passed([talk.query("BEGIN")], client, server)
            await passed([talk.done("BEGIN") + talk.ready("T")], server, client)
            quiet = loop.create_task(tap.quiet(0.0, LONG_S))
            await passed([talk.query("COMMIT")], client, server)
            found.append(quiet.done())
            await passed([talk.done("COMMIT") + talk.ready()], server, client)
            await quiet
            found.append(quiet.done())
        return found

    assert asyncio.run(asyncio.wait_for(story(), LONG_S)) == [False, True]
