"""Cleans up after a runner that could not: a tiny process that outlives it by seconds.

The runner stops everything it started on its way out. Only a runner that is
killed outright (`kill -9`, the OOM killer, a crash of the interpreter) cannot,
and would leave servers listening and a database cluster on disk. So the runner
tells this process, over a pipe, of each process and directory it makes. When
the pipe closes, whatever is still on the list is ended and removed.

Run as a file with `python -S -E`: it imports the standard library only, so that
it is up in milliseconds and survives a broken environment.

The lines it reads, one command each:

    process PID START SIGNAL    end it with SIGNAL; its group too, when it leads one
    ended PID
    directory PATH              remove it, once every process has gone
    removed PATH
"""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

GRACE_S = 2.0  # Postgres needs one round of signals to its backends; then no more asking


def start_of(pid: int) -> str:
    """When `pid` started, in kernel ticks: with the pid, an identity that is never reused.

    Empty where there is no /proc; a zombie counts as gone ("").
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def alive(pid: int, start: str) -> bool:
    """Whether the process that was started as `pid` then is still there."""
    if Path("/proc/self/stat").exists():
        return start_of(pid) == start != ""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def end(pid: int, number: int) -> None:
    """Signal `pid`, and its whole group when it leads one."""
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except OSError:
        pass  # gone in the meantime, which is what was wanted


def remove(path: str) -> None:
    """Remove `path` with all it holds, again while a process that is dying still writes there."""
    deadline = time.monotonic() + GRACE_S
    while Path(path).exists() and time.monotonic() < deadline:
        shutil.rmtree(path, ignore_errors=True)
        time.sleep(0.01)


def clean_up(processes: dict[int, tuple[str, int]], directories: set[str]) -> None:
    """End what is left, politely for `GRACE_S`, and remove what it leaves on disk."""
    deadline = time.monotonic() + GRACE_S
    left = {pid: entry for pid, entry in processes.items() if alive(pid, entry[0])}
    for pid, (_, number) in left.items():
        end(pid, number)
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = {pid: entry for pid, entry in left.items() if alive(pid, entry[0])}
    for pid in left:
        end(pid, signal.SIGKILL)
    for path in directories:
        remove(path)


def main() -> None:
    """Follow the list until the runner's end of the pipe closes, then clean up."""
    processes: dict[int, tuple[str, int]] = {}
    directories: set[str] = set()
    for line in sys.stdin:
        command, _, rest = line.rstrip("\n").partition(" ")
        if command == "process":
            pid, start, number = rest.split(" ")
            processes[int(pid)] = (start, int(number))
        elif command == "ended":
            processes.pop(int(rest), None)
        elif command == "directory":
            directories.add(rest)
        elif command == "removed":
            directories.discard(rest)
    clean_up(processes, directories)


if __name__ == "__main__":
    main()
