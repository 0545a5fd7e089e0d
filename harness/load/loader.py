"""Load for one target, a slice at a time, over connections that stay open in between."""

import asyncio
import random
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.load.alarm import sleep
from harness.load.connection import Connection
from harness.load.job import Slice, Target, TargetAnswer
from harness.load.tally import Tally

WARM_UP_DRAIN_S = 2.0
"""For what is in flight at the end of a warm-up slice. Its latencies are wanted, for the length of
the slices that count; a server that needs longer is measured all the same."""

OVERRUN = 1.5
"""Slices that one may take with its drain before the target is charged for its time: until then
all targets get equally many."""

LEAST_WINDOW = 0.5
"""Of a slice. A window that opens late is kept open for this much of one: its length must
not depend on how late the slowest first answer was."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """All the clocks of a window's edge, in nanoseconds; None where one cannot be read."""

    now_ns: int
    load_cpu_ns: int
    app_cpu_ns: int | None
    db_cpu_ns: int | None

    def until(self, closing: "Clocks", requests: int, window_ns: int | None = None) -> Slice:
        """Return the slice between these clocks and those of its `closing`."""
        return Slice(
            start_ns=self.now_ns,
            window_ns=closing.now_ns - self.now_ns if window_ns is None else window_ns,
            requests=requests,
            app_cpu_ns=_difference(self.app_cpu_ns, closing.app_cpu_ns),
            db_cpu_ns=_difference(self.db_cpu_ns, closing.db_cpu_ns),
            load_cpu_ns=closing.load_cpu_ns - self.load_cpu_ns,
        )


class Loader:
    """Owns a target's connections and what they told.

    `read_clocks` is called at the opening and at the close of each window. `at_first` is how
    many connections `open` opens, all of the target's if it is not given.
    """

    def __init__(
        self,
        target: Target,
        timeout_s: float,
        read_clocks: Callable[[], Clocks],
        chance: random.Random,
        at_first: int | None = None,
    ) -> None:
        self.target = target
        self._timeout_ns = round(timeout_s * 1e9)
        self._read_clocks = read_clocks
        self._timeout_s = timeout_s
        self._chance = chance
        self._at_first = target.connections if at_first is None else at_first
        self._opened: list[Connection] = []
        self._connections: list[Connection] = []
        self._tally = Tally()
        self._warm_up_ns: array[int] = array("q")
        self._latencies_ns: array[int] = array("q")
        # Of answers outside of windows, for their number alone: an append is the cheapest count.
        self._unwanted_ns: array[int] = array("q")
        self._forgotten = 0
        self._slices: list[Slice] = []
        self._awaiting_answer = self._awaiting_rest = 0
        self._round: asyncio.Future[Clocks]
        self._then: Callable[[int], None] = self._unwanted_ns.append
        self._drained: asyncio.Future[None] | None = None

    async def open(self) -> None:
        """Connect; a connection that fails is tried again by its first request."""
        await self.use(self._at_first)

    async def use(self, connections: int) -> None:
        """Give load over this many `connections` from now on, and open those that are not yet.

        Call it between slices. Those not in use stay open.
        """
        fresh = [self._connection(i) for i in range(len(self._opened), connections)]
        self._opened += fresh
        self._connections = self._opened[:connections]
        await asyncio.gather(*(each.open() for each in fresh))

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(each.close() for each in self._opened))

    async def warm(self, slice_s: float) -> float:
        """Give a slice of load of which only the latencies are kept; the seconds it took."""
        self._record(self._warm_up_ns.append)
        begun_s = time.monotonic()
        self._start()
        await sleep(slice_s)
        await self._stop(min(self._timeout_s, WARM_UP_DRAIN_S))
        return charged_s(slice_s, time.monotonic() - begun_s)

    async def measure(self, slice_s: float) -> float:
        """Give a slice of load, and keep what it did; the seconds of load to charge for it.

        The window opens when every connection has had its first answer, good or bad, which
        the last of them has after the timeout at the latest. Its time is a slice less that
        ramp, but at least `LEAST_WINDOW` of one, for its length must not depend on the
        slowest first answer. Then it closes by the rule it opened by: when every connection
        has had one more. Closed by a clock instead, it would lose on average half an answer
        of every connection whose answers come together, and more to slower servers.

        The slice is over when every connection is at rest, or a timeout after its length at
        the latest: what is in flight then is abandoned.
        """
        self._tally.counting = True
        begun_s = time.monotonic()
        self._start()
        opening = await self._all_answer(
            meanwhile=self._unwanted_ns.append, then=self._latencies_ns.append
        )
        late_s = time.monotonic() - begun_s
        window_s = max(slice_s - late_s, LEAST_WINDOW * slice_s)
        await sleep(window_s)
        closing = await self._all_answer_within(slice_s)
        self._record(self._unwanted_ns.append)
        self._keep_slice(opening, closing)
        await self._stop(begun_s + slice_s + self._timeout_s - time.monotonic())
        self._tally.counting = False
        self._forget()
        return charged_s(slice_s, time.monotonic() - begun_s)

    async def probe(self, to_go_s: Callable[[float, int], float], limit_s: float) -> None:
        """Give load for one window, that of a slice, which lasts until `to_go_s` says 0.

        It is told the seconds since the opening and the good answers since, and says how
        many seconds to wait before it is asked again. The close may take `limit_s`.
        """
        self._tally.counting = True
        self._start()
        opening = await self._all_answer(
            meanwhile=self._unwanted_ns.append, then=self._latencies_ns.append
        )
        begun_s, left_s = time.monotonic(), to_go_s(0.0, 0)
        while left_s > 0:
            await sleep(left_s)
            left_s = to_go_s(time.monotonic() - begun_s, len(self._latencies_ns))
        closing = await self._all_answer_within(limit_s)
        self._record(self._unwanted_ns.append)
        self._keep_slice(opening, closing)
        await self._stop()
        self._tally.counting = False
        self._forget()

    def begin_anew(self) -> None:
        """Leave what was measured and what failed so far out of the answer, but for its count."""
        self._forgotten += len(self._latencies_ns)
        self._latencies_ns = array("q")
        self._slices = []
        self._tally.begin_anew()

    def end_overdue(self) -> None:
        """Give up every request that has had no answer for the timeout; call it often."""
        limit_ns = time.monotonic_ns() - self._timeout_ns
        for each in self._connections:
            each.give_up_if_due_before(limit_ns)

    @property
    def latencies_ns(self) -> Sequence[int]:
        """Those of the good answers in all windows so far."""
        return self._latencies_ns

    @property
    def window_s(self) -> float:
        """The length of all windows so far."""
        return sum(each.window_ns for each in self._slices) / 1e9

    @property
    def errors(self) -> int:
        """Requests that failed so far, those outside of the windows included."""
        return sum(self._tally.errors.values())

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
            errors=self._tally.errors,
            messages=self._tally.messages,
            reconnects=self._tally.reconnects,
            warmup_median_ns=self.warmup_median_ns,
            answered=len(self._warm_up_ns) + len(self._latencies_ns) + self._forgotten,
            failed=self._tally.all_failed,
        )

    def _connection(self, number: int) -> Connection:
        address, requests = (self.target.host, self.target.port), self.target.requests
        return Connection(self, address, requests, number, self._timeout_s, self._chance)

    # What the connections tell.

    def failed(self, error_class: str, message: str) -> None:
        """Count an error, and keep the first message of its class."""
        self._tally.failed(error_class, message)

    def reconnected(self) -> None:
        """Count a connection after a client's first."""
        self._tally.reconnected()

    def answered(self) -> None:
        """End the round with the last connection's answer, in its callback: not an event later."""
        self._awaiting_answer -= 1
        if self._awaiting_answer == 0 and not self._round.done():
            self._record(self._then)
            self._round.set_result(self._read_clocks())

    def rested(self) -> None:
        """Note that one more connection is idle."""
        self._awaiting_rest -= 1
        if self._awaiting_rest == 0 and self._drained is not None:
            self._drained.set_result(None)

    # A slice, step by step.

    def _record(self, record: Callable[[int], None]) -> None:
        for each in self._connections:
            each.record_with(record)

    def _start(self) -> None:
        self._awaiting_rest = len(self._connections)
        for each in self._connections:
            each.start()

    async def _all_answer(
        self, meanwhile: Callable[[int], None], then: Callable[[int], None]
    ) -> Clocks:
        """Wait until each connection has had an answer from now on; the clocks at the last.

        Answers are recorded with `meanwhile` up to that moment, and with `then` from it on.
        """
        self._then = then
        self._round = asyncio.get_running_loop().create_future()
        self._awaiting_answer = len(self._connections)
        for each in self._connections:
            each.tell_next(meanwhile)
        return await self._round

    async def _all_answer_within(self, limit_s: float) -> Clocks:
        """Wait for another answer of each connection, but no longer than `limit_s`."""
        try:
            async with asyncio.timeout(limit_s):
                return await self._all_answer(
                    meanwhile=self._latencies_ns.append, then=self._unwanted_ns.append
                )
        except TimeoutError:
            return self._read_clocks()

    def _keep_slice(self, opening: Clocks, closing: Clocks) -> None:
        requests = len(self._latencies_ns) - sum(each.requests for each in self._slices)
        self._slices.append(opening.until(closing, requests))

    def _forget(self) -> None:
        """Keep the number of the answers outside of the window, not their latencies."""
        self._forgotten += len(self._unwanted_ns)
        del self._unwanted_ns[:]

    async def _stop(self, limit_s: float | None = None) -> None:
        """Drain: each request in flight ends with its answer or its timeout, if there is time."""
        for each in self._connections:
            each.stop()
        if self._awaiting_rest:
            self._drained = asyncio.get_running_loop().create_future()
            await asyncio.wait(
                [self._drained], timeout=None if limit_s is None else max(0, limit_s)
            )
            if not self._drained.done():
                for each in self._connections:
                    each.abandon()
            self._drained = None


def charged_s(slice_s: float, took_s: float) -> float:
    """Return what a target is charged for a slice: its length, or its time if that is far more."""
    return slice_s if took_s < OVERRUN * slice_s else took_s


def _difference(opening_ns: int | None, closing_ns: int | None) -> int | None:
    """Return what a clock counted between two readings; None where it could not be read."""
    return None if opening_ns is None or closing_ns is None else closing_ns - opening_ns


def median(values: "array[int]") -> int | None:
    """Return the upper median; None of nothing."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else None


def little_endian(values: "array[int]") -> bytes:
    """Return `values` as a job's answer carries them."""
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values.tobytes()
