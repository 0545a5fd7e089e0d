"""Work done in a copy of this process, on another CPU, while this one goes on."""

import io
import multiprocessing
import os
import pickle
import signal
import sys
import warnings
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from harness.columns import getter, is_record

Value = TypeVar("Value")

WORTH = 16 * 2**20
"""Bytes of results. Fewer are read before a copy has told what it found."""


def worth_it(size: int) -> bool:
    """Whether a copy can be made here, and helps to read so many bytes of results.

    There is none on a single CPU, nor on macOS, whose libraries end a copy of a process that
    has threads.
    """
    return size >= WORTH and _possible()


def beside(work: Callable[[], Value]) -> Callable[[], Value]:
    """Begin `work` in a copy of this process; return what waits for what it returned.

    A copy knows all that was read so far: nothing is sent to it, and what `work` returns is
    pickled. Where there can be none, or it failed, `work` is done here when it is asked for:
    so whatever it raises is raised.
    """
    if not _possible():
        return work
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    copy = context.Process(target=_send, args=(work, sending), daemon=True)
    with warnings.catch_warnings():
        # The other threads are OpenBLAS's, which ends them before a fork and starts them again.
        warnings.simplefilter("ignore", DeprecationWarning)
        copy.start()
    sending.close()

    def done() -> Value:
        try:
            found: Value = receiving.recv()
        except EOFError:
            return work()
        finally:
            receiving.close()
            copy.join()
        return found

    return done


def at_once(work: Callable[[], Value]) -> Callable[[], Value]:
    """Return `work`, to be done where `beside` is not worth its while."""
    return work


def _possible() -> bool:
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1


def _send(work: Callable[[], Value], sending: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # it ends with the first, and says nothing of it
    try:
        packed = io.BytesIO()
        _Pickler(packed, pickle.HIGHEST_PROTOCOL).dump(work())
        sending.send_bytes(packed.getbuffer())
    except Exception:  # done again, and told, by whoever waits
        sending.close()


class _Pickler(pickle.Pickler):
    """Sends a record as its fields, and what it keeps for itself, such as its hash, is left out.

    The standard library's way, with slots, looks up what the fields are for each of them: that
    takes three times as long.
    """

    def reducer_override(self, record: Any) -> Any:
        kind: Any = type(record)
        return (kind, _fields(kind)(record)) if is_record(kind) else NotImplemented


@cache
def _fields(kind: Any) -> Callable[[Any], tuple[Any, ...]]:
    return getter([each.name for each in fields(kind)])
