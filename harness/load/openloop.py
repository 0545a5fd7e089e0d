"""An open loop for one target: requests go out when they are due, answered or not.

A closed loop asks less of a server that stalls, and so hardly sees the stall (Tene's
coordinated omission). Here the schedule does not wait for anybody: a request due while
every connection is busy waits in the generator, and its wait is part of its latency,
which counts from when it was due.
"""

import asyncio
import random
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

from harness.load.alarm import Alarm, alarm, sleep
from harness.load.connection import Connection, ignore
from harness.load.job import Arrivals, Slice, Target, TargetAnswer
from harness.load.loader import WARM_UP_DRAIN_S, Clocks, charged_s, little_endian, median
from harness.load.pace import Pace, offsets_ns
from harness.load.tally import Tally

FELL_BEHIND = 2
"""Slices that a stretch may take with its drain before the target is charged for its time:
until then all targets get the same stretches, and none can hold the others up for long."""

monotonic_ns = time.monotonic_ns


class OpenLoader:
    """Owns a target's connections, its place in the schedule, and what it all told.

    A request has one of three states: not yet due (`_next_ns`, then `_schedule`), held (due,
    and no connection free), or under way on a client. A client is free exactly when it has
    nothing under way, and none is free while a request is held.
    """

    def __init__(
        self,
        target: Target,
        pace: Pace,
        timeout_s: float,
        read_clocks: Callable[[], Clocks],
        chance: random.Random,
    ) -> None:
        self.target = target
        self._pace = pace
        self._timeout_s, self._timeout_ns = timeout_s, round(timeout_s * 1e9)
        self._read_clocks = read_clocks
        self._clients = [
            Client(self, target, number, timeout_s, chance) for number in range(target.connections)
        ]
        # In turn, not the last first: with several workers behind one port, connections are
        # spread over them, and so must the requests be.
        self._free = deque(self._clients)
        self._held: deque[int] = deque()
        self._schedule: Iterator[int] = iter(())
        self._next_ns: int | None = None
        self._all_sent_ns = 0
        self._all_free: asyncio.Future[None] | None = None
        self._alarm: Alarm
        self.tally = Tally()
        self._slices: list[Slice] = []
        self._due = self._unsent = self._stretches_ns = 0
        self._warm_up_ns: array[int] = array("q")
        self._latencies_ns: array[int] = array("q")
        self._service_ns: array[int] = array("q")
        self._lags_ns: array[int] = array("q")
        self._waits_ns: array[int] = array("q")

    async def open(self) -> None:
        """Connect; a connection that fails is tried again by its first request."""
        self._alarm = alarm(self._send_due)
        await asyncio.gather(*(each.connection.open() for each in self._clients))

    async def close(self) -> None:
        """Close every connection."""
        self._alarm.close()
        await asyncio.gather(*(each.connection.close() for each in self._clients))

    async def warm(self, slice_s: float) -> float:
        """Give a slice of closed-loop load of which only latencies are kept; the seconds it took.

        Closed, for at a low rate most connections would still be cold after a second.
        """
        begun_s = time.monotonic()
        self._free.clear()
        for each in self._clients:
            each.connection.record_with(self._warm_up_ns.append)
            each.connection.start()
        await sleep(slice_s)
        for each in self._clients:
            each.connection.stop()
        try:
            async with asyncio.timeout(min(self._timeout_s, WARM_UP_DRAIN_S)):
                await self._until_all_free()
        except TimeoutError:
            for each in self._clients:
                each.connection.abandon()
        self._record(ignore)
        return charged_s(slice_s, time.monotonic() - begun_s)

    async def measure(self, slice_s: float) -> float:
        """Give the next stretch of the schedule; the seconds to charge for it.

        Ends when each of its requests has, by its answer or its timeout, so that the next
        target has the machine to itself.
        """
        length_ns = round(slice_s * 1e9)
        before = len(self._latencies_ns)
        for each in self._clients:
            each.connection.record_with(each.answered_well)
        self.tally.counting = True
        # Reading the other clocks takes time, in which nothing may be due.
        opening = replace(self._read_clocks(), now_ns=monotonic_ns())
        await self._stretch(opening.now_ns, length_ns)
        closing = self._read_clocks()
        self.tally.counting = False
        self._record(ignore)
        self._stretches_ns += length_ns
        window_ns = max(length_ns, self._all_sent_ns - opening.now_ns)
        requests = len(self._latencies_ns) - before
        self._slices.append(opening.until(closing, requests, window_ns))
        took_s = (closing.now_ns - opening.now_ns) / 1e9
        return slice_s if took_s < FELL_BEHIND * slice_s else took_s

    def end_overdue(self) -> None:
        """Give up every request without an answer for the timeout since it was due."""
        now_ns = monotonic_ns()
        limit_ns = now_ns - self._timeout_ns
        while self._held and self._held[0] < limit_ns:
            self._held.popleft()
            self._unsent += 1
            self._all_sent_ns = now_ns
            self.tally.failed("timeout", f"no free connection within {self._timeout_s:g} s")
        for each in self._clients:
            each.connection.give_up_if_due_before(limit_ns)

    @property
    def warmup_median_ns(self) -> int | None:
        """Median latency of warm-up; None when it had no good answer."""
        return median(self._warm_up_ns)

    def answer(self) -> TargetAnswer:
        """All that was measured."""
        return TargetAnswer(
            name=self.target.name,
            latencies_ns=little_endian(self._latencies_ns),
            slices=tuple(self._slices),
            errors=self.tally.errors,
            messages=self.tally.messages,
            reconnects=self.tally.reconnects,
            warmup_median_ns=self.warmup_median_ns,
            answered=len(self._warm_up_ns) + len(self._latencies_ns),
            failed=self.tally.all_failed,
            arrivals=Arrivals(
                due=self._due,
                stretches_ns=self._stretches_ns,
                service_ns=little_endian(self._service_ns),
                lags_ns=little_endian(self._lags_ns),
                waits_ns=little_endian(self._waits_ns),
                unsent=self._unsent,
            ),
        )

    # What the clients tell.

    def answered_well(self, latency_ns: int, before_sent_ns: int) -> None:
        """Keep the figures of a good answer whose request was sent that long after it was due."""
        self._latencies_ns.append(latency_ns)
        self._service_ns.append(latency_ns - before_sent_ns)

    def freed(self, client: "Client") -> None:
        """Give a client that has nothing under way the request that has been held longest."""
        if self._held:
            self._waits_ns.append(client.take(self._held.popleft()))
            self._all_sent_ns = client.connection.sent_ns
        else:
            self._free.append(client)
            self._settle()

    # A stretch, step by step.

    async def _stretch(self, begun_ns: int, length_ns: int) -> None:
        offsets = offsets_ns(self._pace, len(self._slices), length_ns)
        self._schedule = (begun_ns + offset_ns for offset_ns in offsets)
        self._all_sent_ns = begun_ns
        self._next_ns = next(self._schedule, None)
        self._send_due()
        await self._until_all_free()
        await sleep((begun_ns + length_ns - monotonic_ns()) / 1e9)

    def _send_due(self) -> None:
        """Send what is due by now, and wake again for what is next."""
        now_ns = monotonic_ns()  # once: what falls due meanwhile must not keep answers waiting
        while self._next_ns is not None and self._next_ns <= now_ns:
            self._send(self._next_ns)
            self._next_ns = next(self._schedule, None)
        if self._next_ns is not None:
            self._alarm.set(self._next_ns)
        self._settle()

    def _send(self, due_ns: int) -> None:
        self._due += 1
        if self._free:
            self._lags_ns.append(self._free.popleft().take(due_ns))
        else:
            self._held.append(due_ns)

    async def _until_all_free(self) -> None:
        """Wait until nothing is under way, and nothing is to come."""
        self._all_free = asyncio.get_running_loop().create_future()
        self._settle()
        await self._all_free
        self._all_free = None

    def _settle(self) -> None:
        waiting = self._all_free is not None and not self._all_free.done()
        if waiting and self._next_ns is None and len(self._free) == len(self._clients):
            assert self._all_free is not None
            self._all_free.set_result(None)

    def _record(self, record: Callable[[int], None]) -> None:
        for each in self._clients:
            each.connection.record_with(record)


class Client:
    """One connection, and when the request on it was due."""

    __slots__ = ("_due_ns", "_loader", "connection")

    def __init__(
        self,
        loader: OpenLoader,
        target: Target,
        number: int,
        timeout_s: float,
        chance: random.Random,
    ) -> None:
        address = (target.host, target.port)
        self._loader = loader
        self._due_ns = 0
        self.connection = Connection(self, address, target.requests, number, timeout_s, chance)

    def take(self, due_ns: int) -> int:
        """Send a request; how long after it was due, in ns."""
        self._due_ns = due_ns
        self.connection.ask(due_ns)
        return self.connection.sent_ns - due_ns

    # What the connection tells.

    def answered_well(self, latency_ns: int) -> None:
        """Keep the figures, and ask for no more."""
        self.connection.stop()
        self._loader.answered_well(latency_ns, self.connection.sent_ns - self._due_ns)

    def failed(self, error_class: str, message: str) -> None:
        """Count the error; in the schedule it is no reason to ask again, in warm-up it is."""
        if self._loader.tally.counting:
            self.connection.stop()
        self._loader.tally.failed(error_class, message)

    def reconnected(self) -> None:
        """Count a connection after the first."""
        self._loader.tally.reconnected()

    def answered(self) -> None:
        """Nobody asked to be told of an answer."""
        raise AssertionError("an open loop waits for no round of answers")

    def rested(self) -> None:
        """Say that this client is free."""
        self._loader.freed(self)
