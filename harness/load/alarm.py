"""Wakes the event loop at a moment, to within tens of microseconds where the system can.

The loop's own timers are whole milliseconds, longer than many an answer takes. And while one
is set, every wait for an answer sets one in the kernel and takes it back, which was a twentieth
of what a request costs the generator. A timer that is a file (Linux) is waited for as a socket
is. Waiting in a busy loop would be as exact, but the database may share the generator's core.
"""

import asyncio
import math
import os
import sys
import time
from collections.abc import Callable
from typing import Protocol


class Alarm(Protocol):
    """Calls back once at each moment it is set to, never before it."""

    def set(self, when_ns: int) -> None:
        """Ring at `when_ns` of `time.monotonic_ns`, as soon as possible if that has passed."""

    def close(self) -> None:
        """Ring no more."""


def alarm(ring: Callable[[], None]) -> Alarm:
    """Return an alarm on the running loop that calls `ring`."""
    try:
        return FileAlarm(ring)
    except OSError:
        return LoopAlarm(ring)


async def sleep(seconds: float) -> None:
    """Wait as `asyncio.sleep` does, on an alarm."""
    rung = asyncio.Event()
    bell = alarm(rung.set)
    bell.set(time.monotonic_ns() + round(seconds * 1e9))
    try:
        await rung.wait()
    finally:
        bell.close()


class FileAlarm:
    """An alarm by a Linux timer that is a file. Raises OSError where there are none."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._descriptor, self._set_once = _timer_file()
        asyncio.get_running_loop().add_reader(self._descriptor, self._expired)

    def set(self, when_ns: int) -> None:
        """Ring at `when_ns`."""
        self._set_once(self._descriptor, when_ns)

    def close(self) -> None:
        """Ring no more."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _expired(self) -> None:
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:
            return  # it was set to a later moment in between
        self._ring()


class LoopAlarm:
    """An alarm by the loop's own timers: up to a millisecond or two late."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None

    def set(self, when_ns: int) -> None:
        """Ring at `when_ns`."""
        self.close()
        # Rounded up, as uvloop rounds to the nearest: early, it would have to be set again.
        delay_ms = max(0, math.ceil((when_ns - time.monotonic_ns()) / 1e6))
        self._timer = asyncio.get_running_loop().call_later(delay_ms / 1e3, self._expired, when_ns)

    def close(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expired(self, when_ns: int) -> None:
        self._timer = None
        if time.monotonic_ns() < when_ns:  # loops round as they like
            self.set(when_ns)
        else:
            self._ring()


def _timer_file() -> tuple[int, Callable[[int, int], None]]:
    """Return a new timer and the function that sets it."""
    if sys.platform != "linux":
        raise OSError("timers are files on Linux only")
    if sys.version_info >= (3, 13):
        flags = os.TFD_NONBLOCK | os.TFD_CLOEXEC
        return os.timerfd_create(time.CLOCK_MONOTONIC, flags=flags), _set_by_os
    # Here, for it is needed by Linux with an older Python only.
    from harness.load import timerfd

    return timerfd.create(), timerfd.set_once


if sys.platform == "linux" and sys.version_info >= (3, 13):

    def _set_by_os(descriptor: int, when_ns: int) -> None:
        os.timerfd_settime_ns(descriptor, flags=os.TFD_TIMER_ABSTIME, initial=when_ns)
