import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.observe.cpu import DatabaseCpu, _psutil_ns, cpu_ns, is_backend, process_cpu_ns

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")

BURN = "import time\nwhile time.process_time() < {s}: pass\n"

PARENT = """
import os, sys
def burn(s):
    import time
    end = time.process_time() + s
    while time.process_time() < end: pass
for line in sys.stdin:
    command, seconds = line.split()
    if command == "own":
        burn(float(seconds))
    elif command == "reap":
        os.wait()
    else:
        pid = os.fork()
        if pid == 0:
            burn(float(seconds))
            if command == "stay":
                print("burnt", flush=True)
                sys.stdin.close()
                import signal
                signal.pause()
            os._exit(0)
        if command == "end":
            os.waitpid(pid, 0)
    if command != "stay":
        print("done", flush=True)
"""


class Parent:
    """A process with children that burn CPU on command, as a postmaster has backends."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.pid = process.pid

    def do(self, command: str, seconds: float) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command} {seconds}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline()


@pytest.fixture
def parent() -> Iterator[Parent]:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield Parent(process)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def everything(title: str) -> bool:
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_the_clock_agrees_with_proc_to_the_tick(parent: Parent) -> None:
    parent.do("own", 0.2)
    clock_ns = cpu_ns([parent.pid])
    fields = Path(f"/proc/{parent.pid}/stat").read_text().rpartition(")")[2].split()
    ticks_ns = (int(fields[11]) + int(fields[12])) * TICK_NS
    assert clock_ns is not None
    assert clock_ns >= 200_000_000
    assert abs(clock_ns - ticks_ns) <= 2 * TICK_NS


def test_the_portable_clock_agrees_with_the_fast_one(parent: Parent) -> None:
    parent.do("own", 0.1)
    fast_ns, portable_ns = process_cpu_ns(parent.pid), _psutil_ns(parent.pid)
    assert fast_ns is not None
    assert portable_ns is not None
    assert abs(fast_ns - portable_ns) <= 2 * TICK_NS


def test_a_tree_with_a_process_that_has_gone_has_no_cpu_time() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    assert cpu_ns([os.getpid()]) is not None
    assert cpu_ns([os.getpid(), gone.pid]) is None
    assert cpu_ns([]) is None


def test_backends_that_live_are_counted_exactly(parent: Parent) -> None:
    database = DatabaseCpu(parent.pid, everything)
    before = database.read()
    parent.do("stay", 0.1)
    after = database.read()
    assert before is not None
    assert after is not None
    assert 0.1e9 <= after - before < 0.2e9


def test_backends_that_ended_unseen_are_counted_to_the_tick(parent: Parent) -> None:
    database = DatabaseCpu(parent.pid, everything)
    before = database.read()
    for _ in range(3):
        parent.do("end", 0.05)
    after = database.read()
    assert before is not None
    assert after is not None
    assert after - before >= 0.15e9 - 2 * TICK_NS


def test_what_a_backend_used_stays_counted_when_it_ends(parent: Parent) -> None:
    database = DatabaseCpu(parent.pid, everything)
    parent.do("stay", 0.05)
    readings = [database.read() or 0]
    (child,) = children(parent.pid)
    os.kill(child, 9)
    for _ in range(5):
        parent.do("end", 0.004)
        readings.append(database.read() or 0)
    assert readings == sorted(readings)
    assert readings[-1] >= 0.05e9 + 0.02e9 - 2 * TICK_NS


def test_processes_that_work_for_no_client_are_left_out(parent: Parent) -> None:
    database = DatabaseCpu(parent.pid, lambda title: False)
    own_ns = process_cpu_ns(parent.pid) or 0
    parent.do("stay", 0.05)
    after = database.read()
    # Its own, in which it forks and reads commands, and none of the child's.
    assert after is not None
    assert own_ns <= after <= (process_cpu_ns(parent.pid) or 0)


def test_a_backend_of_the_runs_own_is_charged_to_nobody(parent: Parent) -> None:
    parent.do("stay", 0.05)
    (child,) = children(parent.pid)
    database = DatabaseCpu(parent.pid, everything, uncounted_pids=[child])
    own_ns = process_cpu_ns(parent.pid) or 0
    after = database.read()
    assert after is not None
    assert own_ns <= after <= (process_cpu_ns(parent.pid) or 0)


def test_what_works_for_no_client_and_ended_is_left_out_too(parent: Parent) -> None:
    database = DatabaseCpu(parent.pid, lambda title: False)
    parent.do("stay", 0.05)
    database.read()
    (child,) = children(parent.pid)
    before = database.read() or 0
    os.kill(child, 9)
    parent.do("end", 0.0)  # the parent has waited for one: the other was not
    parent.do("reap", 0.0)
    after = database.read() or 0
    own_ns = process_cpu_ns(parent.pid) or 0
    assert before <= after <= own_ns + 2 * TICK_NS


def test_the_databases_own_work_of_taking_connections_is_counted(parent: Parent) -> None:
    database = DatabaseCpu(parent.pid, everything)
    before = database.read()
    parent.do("own", 0.05)
    after = database.read()
    assert before is not None
    assert after is not None
    assert after - before >= 0.05e9


def test_a_backend_that_the_kernel_left_out_of_its_list_is_not_counted_twice(
    parent: Parent, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = DatabaseCpu(parent.pid, everything)
    parent.do("stay", 0.05)
    before = database.read() or 0
    with monkeypatch.context() as patch:
        patch.setattr("harness.observe.cpu._children", lambda pid: [])
        assert (database.read() or 0) - before < 0.05e9
    assert (database.read() or 0) - before < 0.05e9


def test_a_database_that_has_gone_has_no_cpu_time() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    assert DatabaseCpu(gone.pid).read() is None


@pytest.mark.parametrize(
    ("title", "backend"),
    [
        ("postgres: harness bench 127.0.0.1(5012) idle", True),
        ("postgres: parallel worker for PID 7", True),
        ("postgres: main: harness bench [local] SELECT", True),
        ("postgres: checkpointer", False),
        ("postgres: background writer", False),
        ("postgres: main: walwriter", False),
        ("postgres: autovacuum launcher", False),
        ("postgres: autovacuum worker bench", False),
        ("postgres: logical replication launcher", False),
        ("postgres: io worker 2", False),
    ],
)
def test_backends_are_told_from_the_servers_own_processes(title: str, backend: bool) -> None:
    assert is_backend(title) is backend
