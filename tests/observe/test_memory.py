"""Memory and CPU of a real server, against `/proc` read in another way."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.endpoints import calls
from harness.load.generator import fire
from harness.load.http import request_bytes
from harness.load.job import Job, Request, Target
from harness.observe.memory import peak_rss_mib, pss_mib, rss_mib
from harness.processes import Processes, tree
from harness.server import Server, fetch, serve
from tests.conftest import USERS, Database

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc; CI runs on Linux")

PAGE_KIB = os.sysconf("SC_PAGE_SIZE") / 1024
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def stat_fields(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def ticks(pids: Sequence[int]) -> int:
    """utime and stime of every thread, as the scheduler's ticks counted them."""
    return sum(int(field) for pid in pids for field in stat_fields(pid)[11:13])


def resident_mib(pids: Sequence[int]) -> float:
    return sum(int(stat_fields(pid)[21]) * PAGE_KIB for pid in pids) / 1024


def mapped_pss_mib(pids: Sequence[int]) -> float:
    lines = (line for pid in pids for line in Path(f"/proc/{pid}/smaps").read_text().splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


async def served(processes: Processes, database: Database) -> None:
    async with serve(
        processes,
        name="asyncpg",
        adapter="asyncpg_pool",
        options={"pool_size": 4},
        dsn=database.dsn,
        password=database.password,
        workers=1,
        connections=8,
        cpus=None,
    ) as server:
        pids = tree(server.pid)
        assert set(server.worker_pids) < set(pids)
        assert rss_mib(pids) == pytest.approx(resident_mib(pids), rel=0.05)
        assert pss_mib(pids) == pytest.approx(mapped_pss_mib(pids), rel=0.05)
        peak, now = peak_rss_mib(pids), rss_mib(pids)
        assert peak is not None
        assert now is not None
        assert peak >= now * 0.95  # the kernel counts resident pages in batches
        await _cpu_agrees(server, pids)


async def _cpu_agrees(server: Server, pids: Sequence[int]) -> None:
    call = calls("users_get", limit=None, users=USERS)[0]
    body = (await fetch(server, call.method, call.path)).body
    raw = request_bytes(call.method, call.path, f"{server.host}:{server.port}", None)
    target = Target("t", server.host, server.port, 8, (Request(raw, 200, body),), tuple(pids))
    before = ticks(pids)
    answer = await fire(Job(10.0, 1.0, 0.01, 1.0, (target,), ((0,),)))
    spent_s = (ticks(pids) - before) / TICKS_A_SECOND
    (window,) = answer.targets[0].slices
    assert window.app_cpu_ns is not None
    # The window leaves out the warm-up (a hundredth), the ramp and the drain.
    assert window.app_cpu_ns / 1e9 == pytest.approx(spent_s, rel=0.15, abs=0.05)


def test_memory_and_cpu_of_a_server_agree_with_proc(
    processes: Processes, database: Database
) -> None:
    asyncio.run(served(processes, database))


def test_the_memory_of_a_process_that_has_gone_is_unknown_and_not_zero() -> None:
    nobody = 2**22 + 1  # above the highest pid Linux gives
    assert rss_mib([nobody]) is None
    assert pss_mib([nobody]) is None
    assert peak_rss_mib([nobody]) is None
    assert rss_mib([]) is None
