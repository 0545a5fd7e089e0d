"""How the clients' connections to a server are split over its workers."""

from collections.abc import Sequence

import psutil


def connections(pids: Sequence[int], port: int) -> list[int] | None:
    """Return how many connections to `port` each of `pids` holds; None where it is hidden.

    On Linux every worker has a listener of its own, and the kernel gives a new connection to
    any of them (SO_REUSEPORT, socket(7)): the split is as uneven as chance makes it.
    """
    try:
        return [_held(pid, port) for pid in pids]
    except psutil.Error:
        return None


def _held(pid: int, port: int) -> int:
    return sum(
        each.status == psutil.CONN_ESTABLISHED and each.laddr[1] == port
        for each in psutil.Process(pid).net_connections("tcp4")
    )
