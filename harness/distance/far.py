"""A database at a distance, from the runner's side: a relay in front of it, and how true it is."""

import asyncio
import contextlib
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Protocol

import orjson

from harness.database.address import Address
from harness.distance.ping import ping_ms
from harness.distance.relay import Task
from harness.errors import NothingMeasurable
from harness.load.crew import Alone, Channel
from harness.model import Distance
from harness.processes import Processes

HOST = "127.0.0.1"
BACKLOG = 1024

CLOSE_ENOUGH = 0.02
"""Of what was asked: pings differ from each other by as much."""

CORRECTIONS = 4
"""At most: one is enough, but for a ping that was disturbed."""


class Place(Protocol):
    """Where stacks find the database: near, or at a distance."""

    @property
    def address(self) -> Address:
        """What they are told."""

    async def load_begins(self) -> None:
        """Watch what the distance is from here on."""

    async def load_ended(self) -> None:
        """Watch it no more."""

    async def distance(self) -> Distance:
        """Measure it once more, when the stacks are gone; what it was."""


class Near:
    """The database itself."""

    def __init__(self, address: Address) -> None:
        self.address = address

    async def load_begins(self) -> None:
        """Do nothing: there is no distance that could change."""

    async def load_ended(self) -> None:
        """Do nothing."""

    async def distance(self) -> Distance:
        """Return that there is none."""
        return Distance()


class Far:
    """A relay that was set so that a round trip takes as long as it should.

    Times are in ms and of round trips: what was asked, what pings took longer by way of the
    relay than directly, and how late the relay was on the way there and back.
    """

    def __init__(self, database: Address, port: int, control: Channel, rtt_ms: float) -> None:
        self.address = replace(database, host=HOST, port=port)
        self._database = database
        self._control = control
        self._rtt_ms = rtt_ms
        self._hold_ms = rtt_ms / 2
        self._before_ms = self._late_idle_ms = 0.0
        self._late_loaded_ms: float | None = None

    async def set_right(self) -> None:
        """Hold for less than half a round trip, by what else a relay costs on this machine."""
        await self._hold()
        self._before_ms = await self._ping_ms()
        for _ in range(CORRECTIONS):
            off_ms = self._before_ms - self._rtt_ms
            if abs(off_ms) <= CLOSE_ENOUGH * self._rtt_ms:
                break
            self._hold_ms = max(0.0, self._hold_ms - off_ms / 2)
            await self._hold()
            self._before_ms = await self._ping_ms()
        self._late_idle_ms = await self._hold() or 0.0

    async def load_begins(self) -> None:
        """Count how late the relay is from here on."""
        await self._hold()

    async def load_ended(self) -> None:
        """Note how late it was."""
        self._late_loaded_ms = await self._hold()

    async def distance(self) -> Distance:
        """Ping once more; what was found before, in and after the load."""
        after_ms = await self._ping_ms()
        measured_ms = (self._before_ms + after_ms) / 2
        late_ms = self._late_loaded_ms
        loaded_ms = None if late_ms is None else measured_ms + late_ms - self._late_idle_ms
        return Distance(rtt_measured_ms=measured_ms, rtt_loaded_ms=loaded_ms)

    async def _hold(self) -> float | None:
        """Tell the relay how long to hold; how late it was since it was told before, both ways."""
        try:
            said = await self._control.ask({"hold_ns": round(self._hold_ms * 1e6)})
        except Alone:
            raise NothingMeasurable("distance: the relay ended before the block did") from None
        return None if said["mean_ns"] is None else 2 * said["mean_ns"] / 1e6

    async def _ping_ms(self) -> float:
        near_ms = await asyncio.to_thread(ping_ms, self._database)
        return await asyncio.to_thread(ping_ms, self.address) - near_ms


@contextlib.asynccontextmanager
async def at_distance(
    database: Address, rtt_ms: float, processes: Processes, cpus: frozenset[int] | None
) -> AsyncIterator[Place]:
    """Yield where to find `database` with `rtt_ms` added to every round trip; 0 adds nothing.

    One relay, on `cpus`, for all who are told of it: they are then equally far away. Raises
    `NothingMeasurable` when the database cannot be reached by way of it.
    """
    if not rtt_ms:
        yield Near(database)
        return
    async with relayed(database.host, database.port, processes, cpus) as (port, control):
        far = Far(database, port, control, rtt_ms)
        await far.set_right()
        yield far


@contextlib.asynccontextmanager
async def relayed(
    host: str, port: int, processes: Processes, cpus: frozenset[int] | None
) -> AsyncIterator[tuple[int, Channel]]:
    """Yield the port of a relay to `port` of `host`, and its control."""
    ours, theirs = socket.socketpair()
    with (
        socket.create_server((HOST, 0), backlog=BACKLOG) as listener,
        theirs,
        tempfile.TemporaryFile() as told,
    ):
        bound: int = listener.getsockname()[1]
        task = Task(listener.fileno(), theirs.fileno(), host, port)
        told.write(orjson.dumps(task))
        told.seek(0)
        control = await Channel.over(ours.detach())
        async with processes.start(
            [sys.executable, "-m", "harness.distance.relay"],
            cpus=cpus,
            stdin=told,
            pass_fds=(task.listener, task.control),
        ):
            # Ours close, so that the relay's end is the end of these.
            listener.close()
            theirs.close()
            try:
                yield bound, control
            finally:
                await control.close()
