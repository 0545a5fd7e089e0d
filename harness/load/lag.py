"""How long an event that is ready waits until the event loop serves it."""

import asyncio
import socket
import time
from array import array
from typing import Self


class LagMeter:
    """Sends itself a byte at every `tick`, and times it until the loop hands it over.

    A late timer would not do: the loop's timers are whole milliseconds, as coarse as the
    lag that matters. A byte on a socket waits in the kernel as a server's answer does.
    """

    def __init__(self) -> None:
        self._here, self._there = socket.socketpair()
        self._here.setblocking(False)
        self._sent_ns = 0
        self._lags_ns: array[int] = array("q")

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
        if not self._sent_ns:
            self._sent_ns = time.monotonic_ns()
            self._there.send(b".")

    def forget(self) -> None:
        """Begin anew: the samples so far are not part of the percentile."""
        self._lags_ns = array("q")

    @property
    def p99_ns(self) -> int | None:
        """The 99th percentile of the samples; None without one."""
        ordered = sorted(self._lags_ns)
        return ordered[len(ordered) * 99 // 100] if ordered else None

    def _arrived(self) -> None:
        self._here.recv(1)
        self._lags_ns.append(time.monotonic_ns() - self._sent_ns)
        self._sent_ns = 0
