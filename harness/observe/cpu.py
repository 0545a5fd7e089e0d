"""CPU time of other processes, cheap enough to read at both ends of a 100 ms slice."""

import re
import sys
import time
from collections.abc import Callable, Iterable
from os import sysconf
from pathlib import Path

AUXILIARY = re.compile(
    r"^postgres: (?:[^:]+: )?(?:archiver|autovacuum (?:launcher|worker)|background writer"
    r"|checkpointer|io worker|logger|logical replication launcher|startup|stats collector"
    r"|walsummarizer|walwriter)\b"
)
"""Titles of the server's own processes, with a cluster_name or without: their work is
caused by no one query. Everything else below the postmaster works for a client."""


def cpu_ns(pids: Iterable[int]) -> int | None:
    """CPU time, user and system, of all threads of living `pids` since they started.

    None without pids, or when one has gone: a difference of two readings would then mean
    nothing. On Linux each costs one system call of about 1 us and no file.
    """
    total_ns, any_read = 0, False
    for pid in pids:
        clock_ns = process_cpu_ns(pid)
        if clock_ns is None:
            return None
        total_ns += clock_ns
        any_read = True
    return total_ns if any_read else None


def _clock_ns(pid: int) -> int | None:
    """Read the process's CPU clock (clock_getcpuclockid(3): `~pid << 3 | CPUCLOCK_SCHED`)."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return None


def _psutil_ns(pid: int) -> int | None:
    import psutil  # not needed on Linux, and slow to import

    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    return round((times.user + times.system) * 1e9)


process_cpu_ns: Callable[[int], int | None] = _clock_ns if sys.platform == "linux" else _psutil_ns
"""CPU time of one living process in nanoseconds, or None when it has gone."""


def is_backend(title: str) -> bool:
    """Whether a process below the postmaster works for clients, by its title."""
    return AUXILIARY.match(title) is None


class DatabaseCpu:
    """CPU time that clients cost below one postmaster: its own, and all client backends'.

    `read()` never falls, so its difference over a slice is the database work of whoever
    had load in it. The postmaster works for clients only: it forks a backend for each that
    connects and waits for each that ends, which a pool that opens and closes connections is
    to be charged for. Processes that live are read from their CPU clocks. What a backend used
    that has ended is the larger of what it was last seen to have used and what the
    postmaster's `cutime + cstime` say: those know of all, but in ticks of 10 ms, so a
    backend's last moments may be charged up to two ticks late (once, not per backend).
    `is_backend` tells by a process's title whether to count it; `uncounted_pids` are
    backends that work for no client, but for the run itself.
    """

    def __init__(
        self,
        postmaster_pid: int,
        is_backend: Callable[[str], bool] = is_backend,
        uncounted_pids: Iterable[int] = (),
    ) -> None:
        self._pid = postmaster_pid
        self._is_backend = is_backend
        self._uncounted = frozenset(uncounted_pids)
        self._postmaster_title = _title(postmaster_pid)
        self._counted: dict[int, bool] = {}
        self._last_ns: dict[int, int] = {}
        self._ended_ns = {True: 0, False: 0}
        self._latest_ns = 0
        self._reaped_before_ns = reaped_ns(postmaster_pid) or 0

    def read(self) -> int | None:
        """Nanoseconds of CPU, from no particular beginning; None without a server.

        Costs two small files and a system call a process: 0.1 to 0.2 ms for ten of them.
        """
        reaped, own_ns = reaped_ns(self._pid), process_cpu_ns(self._pid)
        if reaped is None or own_ns is None:
            return None
        self._look()
        counted_ns = sum(ns for pid, ns in self._last_ns.items() if self._counts(pid))
        # The postmaster's sum also holds what ended and is not counted, as far as it was seen.
        reaped_ended_ns = reaped - self._reaped_before_ns - self._ended_ns[False]
        ended_ns = max(self._ended_ns[True], reaped_ended_ns)
        self._latest_ns = max(self._latest_ns, own_ns + counted_ns + ended_ns)
        return self._latest_ns

    def _look(self) -> None:
        """Read the clocks of all that live, and keep the last reading of those that ended."""
        # The kernel's list may leave out some while others end (proc(5)): a process that was
        # seen before has ended only when its clock has gone as well.
        clocks = {
            pid: process_cpu_ns(pid) for pid in {*_children(self._pid), *self._last_ns.keys()}
        }
        living = {pid: clock_ns for pid, clock_ns in clocks.items() if clock_ns is not None}
        for pid in self._last_ns.keys() - living.keys():
            self._ended_ns[self._counts(pid)] += self._last_ns[pid]
            self._counted.pop(pid, None)  # its number may be given again
        self._last_ns = living

    def _counts(self, pid: int) -> bool:
        # A title is read once, when its process is new: reading 40 would cost more than a slice
        # can hide. One so young that it has the postmaster's title still, or one that has ended
        # and has none, is taken for a backend and asked again.
        if pid in self._uncounted:
            return False
        if pid in self._counted:
            return self._counted[pid]
        title = _title(pid)
        counts = self._is_backend(title)
        if title and title != self._postmaster_title:
            self._counted[pid] = counts
        return counts


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return _psutil_title(pid) if sys.platform != "linux" else ""


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return _psutil_children(pid)


def reaped_ns(pid: int) -> int | None:
    """CPU time of the children of `pid` that ended and were waited for, in ticks of the kernel."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return _psutil_reaped_ns(pid)
    # The second field is the command in parentheses and may hold anything.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) * (1_000_000_000 // sysconf("SC_CLK_TCK"))


def _psutil_title(pid: int) -> str:
    import psutil

    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return ""


def _psutil_children(pid: int) -> list[int]:
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.Error:
        return []


def _psutil_reaped_ns(pid: int) -> int | None:
    import psutil

    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    return round((getattr(times, "children_user", 0) + getattr(times, "children_system", 0)) * 1e9)
