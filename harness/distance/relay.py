"""The relay process: `python -m harness.distance.relay`, what it is to do as JSON on stdin.

It passes on what it reads, in order and unaltered, `hold_ns` later: bytes, the end of one
direction, a reset. What is on its way does not keep back what follows, so a distance costs
time and no throughput. The first bytes over a new connection wait a round trip longer, as
they would for a handshake.

Whoever holds the other end of its control socket says how long to hold, any number of
times, and hears how late bytes have left since the last time. The relay ends with it.
"""

import asyncio
import contextlib
import gc
import heapq
import itertools
import os
import socket
import struct
import sys
import time
from dataclasses import dataclass
from typing import Literal, cast

import orjson
import uvloop

from harness.load.alarm import alarm
from harness.load.crew import Alone, Channel

HELD_BYTES_MAX = 16 * 1024 * 1024
"""On their way in one direction of a connection before no more are read: at 20 ms 1.6 GB/s, more
than anybody sends, and a bound where the other end reads nothing."""

PIECE_BYTES = 256
"""What it takes to hold a piece, beside its bytes: a million tiny ones are memory too."""

BIN_NS = 10_000
BINS = 10_000
"""Lateness is counted in bins of 10 us, up to 100 ms."""

RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""A `struct linger` with which closing a connection resets it (socket(7))."""

End = Literal["eof", "reset"]
monotonic_ns = time.monotonic_ns


@dataclass(frozen=True, slots=True)
class Task:
    """What a relay does: accept on the inherited socket `listener`, connect to `host`.

    `host` is a folder of Unix sockets if it begins with a slash. `control` is inherited too.
    """

    listener: int
    control: int
    host: str
    port: int


class Lateness:
    """By how much bytes left later than they were due."""

    def __init__(self) -> None:
        self._bins = [0] * BINS

    def note(self, late_ns: int) -> None:
        """Count one piece."""
        self._bins[min(late_ns // BIN_NS, BINS - 1)] += 1

    def told(self) -> dict[str, int | None]:
        """Return the mean and the p99 in ns, None without a piece, and begin anew."""
        bins, self._bins = self._bins, [0] * BINS
        pieces = sum(bins)
        if not pieces:
            return {"mean_ns": None, "p99_ns": None}
        middles_ns = (place * BIN_NS + BIN_NS // 2 for place in itertools.count())
        total_ns = sum(middle * count for middle, count in zip(middles_ns, bins, strict=False))
        so_far = itertools.accumulate(bins)
        p99 = next(place for place, count in enumerate(so_far) if 100 * count >= 99 * pieces)
        return {"mean_ns": total_ns // pieces, "p99_ns": (p99 + 1) * BIN_NS}


class Relay:
    """All that is on its way, in the order in which it is due. Needs a running loop."""

    def __init__(self, hold_ns: int = 0) -> None:
        self.hold_ns = hold_ns
        self.lateness = Lateness()
        self.sides: set[Side] = set()
        self._order = itertools.count()
        self._held: list[tuple[int, int, Side, bytes | End]] = []
        self._alarm = alarm(self._pass_on)

    def hold(self, to: "Side", what: bytes | End, from_ns: int) -> None:
        """Give `what` to `to` when it has been held, from `from_ns` on or from now, the later."""
        due_ns = max(monotonic_ns(), from_ns) + self.hold_ns
        entry = (due_ns, next(self._order), to, what)
        heapq.heappush(self._held, entry)
        if self._held[0] is entry:
            self._alarm.set(due_ns)

    async def end(self) -> None:
        """End every connection, and what is on its way with it."""
        for each in [*self.sides]:
            each.end()
        while self.sides:  # noqa: ASYNC110 - the loop closes them in its own time, which is short
            await asyncio.sleep(0)
        self._alarm.close()

    def _pass_on(self) -> None:
        held = self._held
        while held and (late_ns := monotonic_ns() - held[0][0]) >= 0:
            _, _, to, what = heapq.heappop(held)
            self.lateness.note(late_ns)
            to.deliver(what)
        if held:
            self._alarm.set(held[0][0])


class Side(asyncio.Protocol):
    """One of the two connections that make a relayed one; `other` is the second."""

    __slots__ = (
        "_full",
        "_heard_end",
        "_on_their_way",
        "_open_ns",
        "_relay",
        "_said_end",
        "_stuck",
        "_transport",
        "other",
    )

    def __init__(self, relay: Relay, other: "Side | None" = None) -> None:
        self.other = other or Side(relay, self)
        self._relay = relay
        self._transport: asyncio.Transport | None = None
        self._on_their_way = 0
        # The real handshake is over at once; that of the distance takes there and back.
        self._open_ns = monotonic_ns() + 2 * relay.hold_ns
        self._full = self._stuck = self._heard_end = self._said_end = False

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, and read of the two when both are there."""
        # A cast, for uvloop's transports are not asyncio's by inheritance.
        self._transport = cast("asyncio.Transport", transport)
        self._relay.sides.add(self)
        self.other.stuck(stuck=False)
        self.stuck(stuck=not self.other.connected)

    def data_received(self, data: bytes) -> None:
        """Hold what came, and read no further when that is too much."""
        self._hold(data)
        self._on_their_way += len(data) + PIECE_BYTES
        if self._on_their_way > HELD_BYTES_MAX:
            self._full = True
            self._read_if_room()

    def eof_received(self) -> bool:
        """Hold the end of this direction; the other one may go on."""
        self._heard_end = True
        self._hold("eof")
        self._close_if_over()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Hold a reset, if it was one: an end in order has been held before."""
        self._transport = None
        self._relay.sides.discard(self)
        if exc is not None:
            self._hold("reset")

    def pause_writing(self) -> None:
        """Read no more of what this side would have to take."""
        self.other.stuck(stuck=True)

    def resume_writing(self) -> None:
        """Read it again."""
        self.other.stuck(stuck=False)

    # What the relay and the other side call.

    @property
    def connected(self) -> bool:
        """Whether there is a connection, and nobody is about to end it."""
        return self._transport is not None and not self._transport.is_closing()

    def deliver(self, what: bytes | End) -> None:
        """Write what has come all the way; what comes for one that has gone is dropped."""
        if isinstance(what, bytes):
            self.other.arrived(what)
        if self._transport is None or self._transport.is_closing():
            return
        if what == "eof":
            self._said_end = True
            self._transport.write_eof()
            self._close_if_over()
        elif what == "reset":
            reset_at_close(self._transport.get_extra_info("socket").fileno())
            self._transport.abort()
        else:
            self._transport.write(what)

    def arrived(self, piece: bytes) -> None:
        """Make room: `piece` is no longer on its way."""
        self._on_their_way -= len(piece) + PIECE_BYTES
        if self._full and self._on_their_way <= HELD_BYTES_MAX // 2:
            self._full = False
            self._read_if_room()

    def stuck(self, *, stuck: bool) -> None:
        """Note whether the other side takes what is written to it."""
        self._stuck = stuck
        self._read_if_room()

    def end(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _hold(self, what: bytes | End) -> None:
        self._relay.hold(self.other, what, self._open_ns)

    def _read_if_room(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._full or self._stuck:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _close_if_over(self) -> None:
        if self._heard_end and self._said_end and self._transport is not None:
            self._transport.close()


def reset_at_close(descriptor: int) -> None:
    """Let the close of a socket tell its peer that it is no end in order."""
    with socket.socket(fileno=os.dup(descriptor)) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)


async def accept(relay: Relay, listener: socket.socket, host: str, port: int) -> None:
    """Relay every connection to `listener`, for ever."""
    loop = asyncio.get_running_loop()
    listener.setblocking(False)
    async with asyncio.TaskGroup() as tasks:
        while True:
            accepted, _ = await loop.sock_accept(listener)
            tasks.create_task(connect(relay, accepted, host, port))


async def connect(relay: Relay, accepted: socket.socket, host: str, port: int) -> None:
    """Relay one connection; it is reset where the far end cannot be reached."""
    loop, near = asyncio.get_running_loop(), Side(relay)
    try:
        if host.startswith("/"):
            await loop.create_unix_connection(lambda: near.other, f"{host}/.s.PGSQL.{port}")
        else:
            await loop.create_connection(lambda: near.other, host, port)
    except OSError:
        reset_at_close(accepted.fileno())
        accepted.close()
        return
    await loop.connect_accepted_socket(lambda: near, accepted)


async def obey(relay: Relay, control: Channel) -> None:
    """Hold for as long as the other end says, until there is none; tell how late it was so far."""
    with contextlib.suppress(Alone):
        while True:
            relay.hold_ns = (await control.hear())["hold_ns"]
            control.tell(relay.lateness.told())


async def run(task: Task) -> None:
    """Relay until the other end of the control socket closes."""
    relay, control = Relay(), await Channel.over(task.control)
    with socket.socket(fileno=task.listener) as listener:
        async with asyncio.TaskGroup() as tasks:
            accepting = tasks.create_task(accept(relay, listener, task.host, task.port))
            await obey(relay, control)
            accepting.cancel()
    await relay.end()


def main() -> None:
    """Read a task and carry it out."""
    task = Task(**orjson.loads(sys.stdin.buffer.read()))
    gc.freeze()
    uvloop.run(run(task))


if __name__ == "__main__":
    main()
