"""Linux's timers that are files, by way of libc: `os` has them from Python 3.13 on.

timerfd_create(2). Raises OSError where there is none.
"""

import ctypes
import os

CLOCK_MONOTONIC = 1
TFD_NONBLOCK = os.O_NONBLOCK
TFD_CLOEXEC = os.O_CLOEXEC
TFD_TIMER_ABSTIME = 1
NS_PER_S = 1_000_000_000


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


_libc = ctypes.CDLL(None, use_errno=True)


def create() -> int:
    """Return the descriptor of a new timer on the clock of `time.monotonic_ns`."""
    try:
        found = _libc.timerfd_create
    except AttributeError:
        raise OSError("this libc has no timerfd_create") from None
    return _checked(found(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC))


def set_once(descriptor: int, when_ns: int) -> None:
    """Let the timer expire at `when_ns`, at once if that has passed."""
    value = _Itimerspec(_Timespec(0, 0), _Timespec(*divmod(when_ns, NS_PER_S)))
    _checked(_libc.timerfd_settime(descriptor, TFD_TIMER_ABSTIME, ctypes.byref(value), None))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
