"""The database's CPU of each stack, while one of them opens and closes connections all the time."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.database import activity
from harness.endpoints import calls
from harness.load.generator import fire
from harness.load.http import request_bytes
from harness.load.job import Answer, Job, Request, Target, TargetAnswer
from harness.observe.cpu import AUXILIARY
from harness.processes import Processes
from harness.server import Server, fetch, serve
from harness.together import together
from tests.conftest import USERS, Database

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc; CI runs on Linux")

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
CONNECTIONS = 8
DEADLINE_S = 10.0

STACKS = {
    "steady": ("asyncpg_pool", {"pool_size": 2}),
    "churning": ("sqlalchemy_sync", {"pool_size": 1, "max_overflow": 10}),
}


def ticks(pid: int, first: int, last: int) -> int:
    """Fields of /proc/pid/stat, from utime (11) and stime to cutime and cstime (14), summed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(each) for each in fields[first : last + 1])


def title(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def clients_ns(postmaster: int) -> int:
    """What the kernel says of the postmaster, of its backends that live and of those that ended.

    Read again while one of them ends: it is in one sum or the other.
    """
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        pids = children(postmaster)
        with contextlib.suppress(FileNotFoundError):
            backends = [pid for pid in pids if not AUXILIARY.match(title(pid))]
            living = sum(ticks(pid, 11, 12) for pid in backends)
            own_and_ended = ticks(postmaster, 11, 14)
            if children(postmaster) == pids:
                return (living + own_and_ended) * TICK_NS
    raise AssertionError("backends come and go without end")


async def loaded(processes: Processes, database: Database) -> tuple[Answer, int, int, int]:
    """Load both, live at once; the answer, and CPU of all backends, the steady and the ended."""
    contexts = [
        serve(
            processes,
            name=name,
            adapter=adapter,
            options=options,
            dsn=database.address.dsn(f"harness-{name}"),
            password=database.password,
            workers=1,
            connections=CONNECTIONS,
            cpus=None,
        )
        for name, (adapter, options) in STACKS.items()
    ]
    async with together(contexts) as servers:
        targets = [await target(each) for each in servers if isinstance(each, Server)]
        async with await database.address.connect() as session:
            held = await activity.backends(session, "harness-steady")
        before, steady = clients_ns(database.postmaster_pid), cpu_of(held)
        ended = ticks(database.postmaster_pid, 13, 14)
        answer = await fire(
            Job(10.0, 0.4, 0.0, 1.2, tuple(targets), ((0, 1),), database.postmaster_pid)
        )
        steady = cpu_of(held) - steady
        every = clients_ns(database.postmaster_pid) - before
        ended = (ticks(database.postmaster_pid, 13, 14) - ended) * TICK_NS
        return answer, every, steady, ended


def cpu_of(pids: Sequence[int]) -> int:
    return sum(ticks(pid, 11, 12) for pid in pids) * TICK_NS


async def target(server: Server) -> Target:
    call = calls("users_get", limit=None, users=USERS)[0]
    body = (await fetch(server, call.method, call.path)).body
    raw = request_bytes(call.method, call.path, f"{server.host}:{server.port}", None)
    return Target(server.name, server.host, server.port, CONNECTIONS, (Request(raw, 200, body),))


def sliced_ns(answer: TargetAnswer) -> int:
    """The CPU that slices were charged, stretched to the answers outside of their windows."""
    spent_ns = sum(each.db_cpu_ns or 0 for each in answer.slices)
    return spent_ns * answer.answered // sum(each.requests for each in answer.slices)


def test_each_stack_is_charged_for_its_own_backends_that_ended_and_for_no_others(
    processes: Processes, database: Database
) -> None:
    answer, all_ns, steady_ns, ended_ns = asyncio.run(loaded(processes, database))
    steady, churning = answer.targets
    assert steady.errors == churning.errors == {}
    # A figure of the kernel is short by up to a tick for each of the processes in it.
    ticks_ns = 6 * TICK_NS
    assert sliced_ns(steady) == pytest.approx(steady_ns, rel=0.2, abs=ticks_ns)
    both_ns = sliced_ns(steady) + sliced_ns(churning)
    assert both_ns == pytest.approx(all_ns, rel=0.2, abs=ticks_ns)
    assert ended_ns > all_ns / 10  # else nothing was churned, and this shows nothing
