"""Processes and folders that go when their context does, on the CPUs they were given."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness.processes import Processes, finished, pin, running, tree, watched

THREADED = """
import threading, time
gate = threading.Event()
for _ in range(5):
    threading.Thread(target=gate.wait, daemon=True).start()
print("up", flush=True)
gate.wait()
"""

needs_two_cpus = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="pinning shows only with two CPUs, as CI has",
)


def threads_of(pid: int) -> list[frozenset[int]]:
    threads = psutil.Process(pid).threads()
    return [frozenset(os.sched_getaffinity(thread.id)) for thread in threads]


@needs_two_cpus
def test_pinning_moves_every_thread() -> None:
    one = frozenset([max(os.sched_getaffinity(0))])
    with subprocess.Popen([sys.executable, "-c", THREADED], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        pin([child.pid], one)
        assert threads_of(child.pid) == [one] * 6
        child.kill()


@needs_two_cpus
def test_a_child_may_run_anywhere_though_its_runner_keeps_to_one_cpu(tmp_path: Path) -> None:
    everywhere = frozenset(os.sched_getaffinity(0))
    one = frozenset([min(everywhere)])
    said = tmp_path / "said"
    argv = [sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"]

    async def run(started: Processes, cpus: frozenset[int] | None) -> str:
        with said.open("wb") as stdout:
            async with started.start(argv, cpus=cpus, stdout=stdout) as process:
                await finished(process)
        return said.read_text().strip()

    with watched() as started:
        try:
            started.keep_to(one)
            assert os.sched_getaffinity(0) == one
            assert asyncio.run(run(started, None)) == str(sorted(everywhere))
            assert asyncio.run(run(started, one)) == str(sorted(one))
        finally:
            pin([os.getpid()], everywhere)


def test_a_process_that_will_not_stop_is_killed_with_its_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.processes.KILL_AFTER_S", 0.2)
    stubborn = "trap '' TERM; (trap '' TERM; while :; do sleep 0.05; done) & while :; do :; done"

    async def run() -> list[int]:
        with watched() as started:
            async with started.start(["/bin/sh", "-c", stubborn]) as process:
                while len(tree(process.pid)) < 2:  # noqa: ASYNC110 - a fork is no event of ours
                    await asyncio.sleep(0.01)
                return tree(process.pid)

    pids = asyncio.run(run())
    assert len(pids) >= 2
    _, left = psutil.wait_procs([psutil.Process(p) for p in pids if running(p)], timeout=5)
    assert left == []


def test_a_folder_goes_with_its_context_whatever_happened_in_it() -> None:
    def broken(started: Processes) -> None:
        with started.directory("harness-test-") as folder:
            (folder / "file").touch()
            seen.append(folder)
            raise ValueError("of the test's own")

    seen: list[Path] = []
    with watched() as started, pytest.raises(ValueError, match="of the test's own"):
        broken(started)
    assert not seen[0].exists()
