"""Load for one target, a slice at a time, over connections that stay open in between."""

import asyncio
import random
import sys
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass

from harness.load.connection import Connection, ignore
from harness.load.job import Slice, Target, TargetAnswer

MESSAGE_CHARS_MAX = 300

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


class Loader:
    """Owns a target's connections and what they told.

    `read_clocks` is called at the opening and at the close of each window.
    """

    def __init__(
        self,
        target: Target,
        timeout_s: float,
        read_clocks: Callable[[], Clocks],
        chance: random.Random,
    ) -> None:
        self.target = target
        self._timeout_ns = round(timeout_s * 1e9)
        self._read_clocks = read_clocks
        self._connections = [
            Connection(self, (target.host, target.port), target.requests, i, timeout_s, chance)
            for i in range(target.connections)
        ]
        self._counting = False
        self._warm_up_ns: array[int] = array("q")
        self._latencies_ns: array[int] = array("q")
        self._slices: list[Slice] = []
        self._errors: dict[str, int] = {}
        self._messages: dict[str, str] = {}
        self._reconnects = 0
        self._awaiting_answer = self._awaiting_rest = 0
        self._round: asyncio.Future[Clocks]
        self._then: Callable[[int], None] = ignore
        self._drained: asyncio.Future[None] | None = None

    async def open(self) -> None:
        """Connect; a connection that fails is tried again by its first request."""
        await asyncio.gather(*(each.open() for each in self._connections))

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(each.close() for each in self._connections))

    async def warm(self, slice_s: float) -> float:
        """Give a slice of load of which only the latencies are kept; the seconds it took."""
        self._record(self._warm_up_ns.append)
        begun_s = time.monotonic()
        self._start()
        await asyncio.sleep(slice_s)
        await self._stop()
        self._record(ignore)
        # What lasted no longer than it should is charged alike to all targets.
        return slice_s if self._warm_up_ns else max(slice_s, time.monotonic() - begun_s)

    async def measure(self, slice_s: float) -> float:
        """Give a slice of load, and keep what it did; the seconds of load to charge for it.

        The window opens when every connection has had its first answer, good or bad, which
        the last of them has after the timeout at the latest. Its time is a slice less that
        ramp, but at least `LEAST_WINDOW` of one, for its length must not depend on the
        slowest first answer. Then it closes by the rule it opened by: when every connection
        has had one more. Closed by a clock instead, it would lose on average half an answer
        of every connection whose answers come together, and more to slower servers.
        """
        self._counting = True
        begun_s = time.monotonic()
        self._start()
        opening = await self._all_answer(meanwhile=ignore, then=self._latencies_ns.append)
        late_s = time.monotonic() - begun_s
        window_s = max(slice_s - late_s, LEAST_WINDOW * slice_s)
        await asyncio.sleep(window_s)
        closing = await self._all_answer_within(slice_s)
        self._record(ignore)
        self._keep_slice(opening, closing)
        await self._stop()
        self._counting = False
        return slice_s if late_s < slice_s else late_s + window_s

    def end_overdue(self) -> None:
        """Give up every request that has had no answer for the timeout; call it often."""
        limit_ns = time.monotonic_ns() - self._timeout_ns
        for each in self._connections:
            each.give_up_if_due_before(limit_ns)

    @property
    def warmup_median_ns(self) -> int | None:
        """Median latency of warm-up; None when it had no good answer."""
        ordered = sorted(self._warm_up_ns)
        return ordered[len(ordered) // 2] if ordered else None

    def answer(self) -> TargetAnswer:
        """All that was measured."""
        return TargetAnswer(
            name=self.target.name,
            latencies_ns=_little_endian(self._latencies_ns),
            slices=tuple(self._slices),
            errors=dict(self._errors),
            messages=dict(self._messages),
            reconnects=self._reconnects,
            warmup_median_ns=self.warmup_median_ns,
        )

    # What the connections tell.

    def failed(self, error_class: str, message: str) -> None:
        """Count an error, and keep the first message of its class."""
        if self._counting:
            self._errors[error_class] = self._errors.get(error_class, 0) + 1
            self._messages.setdefault(error_class, " ".join(message.split())[:MESSAGE_CHARS_MAX])

    def reconnected(self) -> None:
        """Count a connection after a client's first."""
        if self._counting:
            self._reconnects += 1

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
                return await self._all_answer(meanwhile=self._latencies_ns.append, then=ignore)
        except TimeoutError:
            return self._read_clocks()

    def _keep_slice(self, opening: Clocks, closing: Clocks) -> None:
        self._slices.append(
            Slice(
                start_ns=opening.now_ns,
                window_ns=closing.now_ns - opening.now_ns,
                requests=len(self._latencies_ns) - sum(each.requests for each in self._slices),
                app_cpu_ns=difference(opening.app_cpu_ns, closing.app_cpu_ns),
                db_cpu_ns=difference(opening.db_cpu_ns, closing.db_cpu_ns),
                load_cpu_ns=closing.load_cpu_ns - opening.load_cpu_ns,
            )
        )

    async def _stop(self) -> None:
        """Drain: each request in flight ends with its answer or its timeout."""
        for each in self._connections:
            each.stop()
        if self._awaiting_rest:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained
            self._drained = None


def difference(opening_ns: int | None, closing_ns: int | None) -> int | None:
    """Return what a clock counted between two readings; None where it could not be read."""
    return None if opening_ns is None or closing_ns is None else closing_ns - opening_ns


def _little_endian(values: "array[int]") -> bytes:
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values.tobytes()
