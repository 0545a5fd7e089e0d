"""Several generator processes that load one target at the same time: a leader and followers.

The leader walks the slices as a generator alone does, and tells the followers of each over
a socket pair. None begins a slice before the one before it has ended, drain included, in
all of them: the leader waits for every follower's word. Nobody looks at a clock for when to
begin, for whoever is late by a clock fires into another target's slice.

Each side learns of the other's death from the end of the stream, and ends too.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

import orjson

from harness.load.job import Seat, TargetAnswer

ENDED_BY_ANOTHER = 3
"""Exit code of a generator that ended because one beside it did: not the one to blame."""


class Alone(Exception):
    """A generator beside this one has ended in the middle of the job."""


class Burden(Protocol):
    """A target as a generator loads it, slice by slice."""

    async def open(self) -> None:
        """Make ready for load."""

    async def warm(self, slice_s: float) -> float:
        """Give a slice that does not count; the seconds to charge."""

    async def measure(self, slice_s: float) -> float:
        """Give a slice that counts; the seconds to charge."""

    async def close(self) -> None:
        """End what `open` began."""

    def end_overdue(self) -> None:
        """Give up what has had no answer for too long; called often."""

    @property
    def warmup_median_ns(self) -> int | None:
        """Median latency of warm-up; None when it had no good answer."""

    def answer(self) -> TargetAnswer:
        """All that was measured."""


class Channel:
    """One end of a socket pair: a line of JSON each way, a question and its answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._turn = asyncio.Lock()

    @classmethod
    async def over(cls, descriptor: int) -> "Channel":
        """Take over the inherited socket `descriptor`."""
        return cls(*await asyncio.open_unix_connection(sock=socket.socket(fileno=descriptor)))

    async def ask(self, document: object) -> Any:
        """Send `document` and return the answer. Raises `Alone` when nobody is there."""
        async with self._turn:
            self.tell(document)
            return await self.hear()

    def tell(self, document: object) -> None:
        """Send `document`."""
        self._writer.write(orjson.dumps(document) + b"\n")

    async def hear(self) -> Any:
        """Return what comes next. Raises `Alone` when nothing will."""
        try:
            line = await self._reader.readline()
        except ConnectionError:
            line = b""
        if not line.endswith(b"\n"):
            raise Alone("a generator beside this one has ended")
        return orjson.loads(line)

    async def close(self) -> None:
        """Send what is left, and close."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


class Shared:
    """A target whose connections the leader has a part of, and each follower another."""

    def __init__(self, own: Burden, index: int, followers: Sequence[Channel]) -> None:
        self._own = own
        self._index = index
        self._followers = followers
        self._medians_ns: list[int | None] = []

    async def open(self) -> None:
        """Open everybody's connections."""
        await self._together("open", 0.0)

    async def warm(self, slice_s: float) -> float:
        """Give a slice of everybody's load; the most that anybody charges."""
        return await self._together("warm", slice_s)

    async def measure(self, slice_s: float) -> float:
        """Give a slice of everybody's load, and keep it; the most that anybody charges."""
        return await self._together("measure", slice_s)

    async def close(self) -> None:
        """Close everybody's connections."""
        await self._together("close", 0.0)

    def end_overdue(self) -> None:
        """Give up the leader's own overdue requests; followers see to theirs."""
        self._own.end_overdue()

    @property
    def warmup_median_ns(self) -> int | None:
        """The largest of everybody's medians: a slice must be long for all."""
        known = [each for each in (self._own.warmup_median_ns, *self._medians_ns) if each]
        return max(known, default=None)

    def answer(self) -> TargetAnswer:
        """Return what the leader itself measured."""
        return self._own.answer()

    async def _together(self, what: str, slice_s: float) -> float:
        command = {"do": what, "index": self._index, "slice_s": slice_s}
        own_s: float
        own_s, *theirs = await asyncio.gather(
            act(self._own, what, slice_s), *(each.ask(command) for each in self._followers)
        )
        self._medians_ns = [each["median_ns"] for each in theirs]
        return max([own_s, *(float(each["charged_s"]) for each in theirs)])


async def act(burden: Burden, what: str, slice_s: float) -> float:
    """Do one step of a target's load; the seconds to charge for it."""
    match what:
        case "open":
            await burden.open()
        case "warm":
            return await burden.warm(slice_s)
        case "measure":
            return await burden.measure(slice_s)
        case "close":
            await burden.close()
    return 0.0


@contextlib.asynccontextmanager
async def beside(seat: Seat | None) -> AsyncIterator[Sequence[Channel]]:
    """Yield a channel to each process that `seat` is connected with; none to one alone."""
    async with contextlib.AsyncExitStack() as stack:
        channels = []
        for descriptor in () if seat is None else seat.descriptors:
            channel = await Channel.over(descriptor)
            stack.push_async_callback(channel.close)
            channels.append(channel)
        yield channels


def shared(burdens: Sequence[Burden], followers: Sequence[Channel]) -> list[Burden]:
    """Return a leader's `burdens` as those of its whole crew; as they are without one."""
    if not followers:
        return list(burdens)
    return [Shared(each, index, followers) for index, each in enumerate(burdens)]


class Follower:
    """Does what the leader says, until all its targets are closed."""

    def __init__(self, burdens: Sequence[Burden]) -> None:
        self._burdens = burdens
        self.measuring = False

    async def follow(self, leader: Channel) -> None:
        """Obey. Raises `Alone` when the leader has ended before it said so."""
        closed = 0
        while closed < len(self._burdens):
            command = await leader.hear()
            what, burden = command["do"], self._burdens[command["index"]]
            self.measuring = self.measuring or what == "measure"
            charged_s = await act(burden, what, command["slice_s"])
            leader.tell({"charged_s": charged_s, "median_ns": burden.warmup_median_ns})
            closed += what == "close"
