"""The relay between real sockets: what it passes on, and when."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.distance import relay
from harness.distance.relay import BIN_NS, Lateness, Relay, accept

HOST = "127.0.0.1"
DEADLINE_S = 30.0
READ_BYTES = 256 * 1024
"""What one read of the event loop brings at most."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def relaying(hold_s: float, far_port: int) -> AsyncIterator[tuple[Relay, int]]:
    """Yield a relay to `far_port`, and the port it listens on."""
    held = Relay(round(hold_s * 1e9))
    with socket.create_server((HOST, 0)) as listener:
        accepting = asyncio.create_task(accept(held, listener, HOST, far_port))
        try:
            yield held, listener.getsockname()[1]
        finally:
            accepting.cancel()
            await asyncio.wait([accepting])
            await held.end()


def between(
    hold_s: float, talk: Callable[[Relay, Streams, Streams], Awaitable[None]], hello: bool = True
) -> None:
    """Let `talk` have both ends of one connection through a relay, one byte after its begin."""

    async def begin() -> None:
        met: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()
        server = await asyncio.start_server(lambda *both: met.set_result(both), HOST, 0)
        async with server, relaying(hold_s, server.sockets[0].getsockname()[1]) as (held, port):
            near = await asyncio.open_connection(HOST, port)
            there = await met
            if hello:
                near[1].write(b"!")
                await there[0].readexactly(1)
            await talk(held, near, there)
            for _, writer in (near, there):
                writer.transport.abort()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()

    uvloop.run(asyncio.wait_for(begin(), DEADLINE_S))


@settings(max_examples=40)
@given(
    there=st.lists(st.binary(min_size=1, max_size=5000), max_size=8),
    back=st.lists(st.binary(min_size=1, max_size=5000), max_size=8),
)
def test_bytes_arrive_unaltered_and_in_order_however_they_are_split(
    there: Sequence[bytes], back: Sequence[bytes]
) -> None:
    async def talk(held: Relay, near: Streams, far: Streams) -> None:
        for (_, writer), pieces in ((near, there), (far, back)):
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0)
            writer.write_eof()
        assert await far[0].read() == b"".join(there)
        assert await near[0].read() == b"".join(back)

    between(0.0003, talk)


def test_a_round_trip_takes_no_less_than_there_and_back() -> None:
    async def talk(held: Relay, near: Streams, far: Streams) -> None:
        for _ in range(5):
            began = time.monotonic()
            near[1].write(b"?")
            await far[0].readexactly(1)
            assert time.monotonic() - began >= 0.01
            far[1].write(b"!")
            await near[0].readexactly(1)
            assert time.monotonic() - began >= 0.02

    between(0.01, talk)


def test_the_first_bytes_over_a_connection_wait_for_a_handshake() -> None:
    async def talk(held: Relay, near: Streams, far: Streams) -> None:
        near[1].write(b"?")
        await far[0].readexactly(1)
        assert time.monotonic() - began >= 0.03

    began = time.monotonic()
    between(0.01, talk, hello=False)


def test_what_is_on_its_way_does_not_keep_back_what_follows() -> None:
    pieces, hold_s = 100, 0.2

    async def talk(held: Relay, near: Streams, far: Streams) -> None:
        began = time.monotonic()
        for _ in range(pieces):
            near[1].write(b"x")
            await asyncio.sleep(0.001)  # so that they are sent apart
        await far[0].readexactly(pieces)
        # One after another they would take 20 s.
        assert time.monotonic() - began < pieces * hold_s / 2

    between(hold_s, talk)


def test_one_direction_may_end_before_the_other() -> None:
    async def talk(held: Relay, near: Streams, far: Streams) -> None:
        near[1].write(b"all I have")
        near[1].write_eof()
        assert await far[0].read() == b"all I have"
        far[1].write(b"noted")
        assert await near[0].readexactly(5) == b"noted"
        far[1].write_eof()
        assert await near[0].read() == b""

    between(0.001, talk)


@pytest.mark.parametrize("from_near", [True, False])
def test_a_reset_is_passed_on_as_one(from_near: bool) -> None:
    async def talk(held: Relay, near: Streams, far: Streams) -> None:
        ends, other = (near, far) if from_near else (far, near)
        relay.reset_at_close(ends[1].get_extra_info("socket").fileno())
        ends[1].transport.abort()
        with pytest.raises(ConnectionResetError):
            await other[0].read()

    between(0.001, talk)


def test_where_nothing_listens_at_the_far_end_the_connection_is_reset() -> None:
    async def begin() -> None:
        with socket.socket() as unused:
            unused.bind((HOST, 0))
            async with relaying(0.001, unused.getsockname()[1]) as (_, port):
                reader, writer = await asyncio.open_connection(HOST, port)
                with pytest.raises(ConnectionResetError):
                    await reader.read()
                writer.close()

    uvloop.run(asyncio.wait_for(begin(), DEADLINE_S))


def test_one_end_that_reads_slowly_bounds_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "HELD_BYTES_MAX", 100_000)
    whole = bytes(range(256)) * 32 * 1024

    async def talk(held: Relay, near: Streams, far: Streams) -> None:
        sending = asyncio.create_task(send(near[1]))
        got = bytearray()
        while len(got) < len(whole):
            got += await far[0].read(20_000)
            assert sum(len(what) for _, _, _, what in held._held) <= 100_000 + READ_BYTES
        await sending
        assert got == whole

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(whole)
        await writer.drain()

    between(0.001, talk)


def test_lateness_is_told_as_mean_and_p99_and_forgotten() -> None:
    lateness = Lateness()
    for late_ns in [0] * 98 + [5 * BIN_NS] * 2:
        lateness.note(late_ns)
    told = lateness.told()
    assert told == {"mean_ns": BIN_NS // 2 + BIN_NS // 10, "p99_ns": 6 * BIN_NS}
    assert lateness.told() == {"mean_ns": None, "p99_ns": None}


def test_lateness_beyond_its_bins_is_counted_in_the_last() -> None:
    lateness = Lateness()
    lateness.note(10**12)
    assert lateness.told()["p99_ns"] == relay.BINS * BIN_NS
