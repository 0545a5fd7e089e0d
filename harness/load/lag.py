"""How long an event that is ready waits until the event loop serves it."""

import asyncio
import socket
import time
from array import array
from typing import Self

TIMER_GRAIN_NS = 2_000_000
"""Where timers are the loop's, they are whole milliseconds, rounded at both ends."""


class LagMeter:
    """Sends itself a byte at every `tick`, and times it until the loop hands it over.

    A late timer alone would not do: it is as coarse as the lag that matters. A byte on a
    socket waits in the kernel as a server's answer does. But a process that waits for a CPU
    sends no byte in that time, and has its answer at once when it runs: so it is noted too
    by how much a tick came later than `every_s` after the one before.
    """

    def __init__(self, every_s: float) -> None:
        self._here, self._there = socket.socketpair()
        self._here.setblocking(False)
        self._tick_ns = round(every_s * 1e9) + TIMER_GRAIN_NS
        self._ticked_ns = self._sent_ns = 0
        self._lags_ns: array[int] = array("q")
        self._late_ns: array[int] = array("q")

    def __enter__(self) -> Self:
        """Listen on the running loop."""
        asyncio.get_running_loop().add_reader(self._here, self._arrived)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        asyncio.get_running_loop().remove_reader(self._here)
        self._here.close()
        self._there.close()

    def tick(self) -> None:
        """Take a sample, unless the last one is still on its way."""
        now_ns = time.monotonic_ns()
        if self._ticked_ns:
            self._late_ns.append(max(0, now_ns - self._ticked_ns - self._tick_ns))
        self._ticked_ns = now_ns
        if not self._sent_ns:
            self._sent_ns = now_ns
            self._there.send(b".")

    def begin_anew(self) -> None:
        """Leave the samples so far out of the percentiles."""
        self._lags_ns = array("q")
        self._late_ns = array("q")

    @property
    def p99_ns(self) -> int | None:
        """The 99th percentile of how long a byte waited; None without a sample."""
        return _p99(self._lags_ns)

    @property
    def late_p99_ns(self) -> int | None:
        """The 99th percentile of how late a tick was; None without two ticks."""
        return _p99(self._late_ns)

    def _arrived(self) -> None:
        self._here.recv(1)
        self._lags_ns.append(time.monotonic_ns() - self._sent_ns)
        self._sent_ns = 0


def _p99(samples_ns: "array[int]") -> int | None:
    ordered = sorted(samples_ns)
    return ordered[len(ordered) * 99 // 100] if ordered else None
