"""Whatever can make a number wrong, done on purpose: each is caught by the check meant for it."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import tomli_w

from tests.run.conftest import DEADLINE_S, Start, as_measured, document

Matrix = Callable[..., str]
Rows = list[dict[str, str]]

WRAPPED = """
from contextlib import asynccontextmanager
from adapters import asyncpg_pool
from adapters.asyncpg_pool import Options

{body}

@asynccontextmanager
async def connect(dsn, options):
    async with asyncpg_pool.connect(dsn, options) as right:
        yield Odd(right, dsn)
"""

CACHING = """
class Odd:
    def __init__(self, right, dsn):
        self._right, self._known = right, {}

    async def get_user(self, user_id):
        if user_id not in self._known:
            self._known[user_id] = await self._right.get_user(user_id)
        return self._known[user_id]
"""

FORGETFUL = """
class Odd:
    def __init__(self, right, dsn):
        self._right, self._calls = right, 0

    async def get_user(self, user_id):
        self._calls += 1
        user = await self._right.get_user(user_id)
        return user if self._calls < 50 else user | {"email": user["email"].replace("@", "#")}
"""

DROPPING = """
import os, socket, stat
from urllib.parse import urlsplit

def http_connections(postgres):
    for name in os.listdir("/dev/fd"):
        try:
            if stat.S_ISSOCK(os.stat(int(name)).st_mode):
                with socket.socket(fileno=os.dup(int(name))) as found:
                    if found.family == socket.AF_INET and found.getpeername()[1] != postgres:
                        yield found
        except OSError:  # one that has gone, or one that listens
            pass

class Odd:
    def __init__(self, right, dsn):
        self._right, self._calls, self._postgres = right, 0, urlsplit(dsn).port

    async def get_user(self, user_id):
        self._calls += 1
        if self._calls % 100 == 0:
            for each in http_connections(self._postgres):
                each.shutdown(socket.SHUT_RDWR)
        return await self._right.get_user(user_id)
"""

ODD = {"caching": CACHING, "forgetful": FORGETFUL, "dropping": DROPPING}


def rows(folder: Path, name: str = "cells.csv") -> Rows:
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run an honest stack and those that are not, together; return the results."""
    home = tmp_path_factory.mktemp("proofs")
    (home / "odd").mkdir()
    for name, body in ODD.items():
        (home / "odd" / f"{name}.py").write_text(WRAPPED.format(body=body))
    matrix = document(
        run={"measure": "1s"},
        stack=[
            {"name": "asyncpg", "adapter": "asyncpg_pool"},
            *({"name": name, "adapter": f"odd.{name}"} for name in ODD),
        ],
        # One connection has had its bytes compared after 127 answers at the latest.
        group=[{"name": "g", "endpoint": ["users_get"], "concurrency": [1], "pool_size": [2]}],
    )
    (home / "odd.toml").write_text(tomli_w.dumps(matrix))
    done = subprocess.run(
        [sys.executable, "-m", "harness", "odd.toml"],
        cwd=home,
        env=os.environ | {"PYTHONPATH": str(home)},
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
    )
    assert done.returncode in (0, 3), done.stderr
    return home / "results" / "odd"


def cell(folder: Path, stack: str) -> dict[str, str]:
    (found,) = [row for row in rows(folder) if row["stack"] == stack]
    return found


def test_a_stack_that_answers_from_memory_is_invalid_for_work_not_done(folder: Path) -> None:
    found = cell(folder, "caching")
    assert (found["outcome"], found["rps"]) == ("invalid", "")
    assert "work" in found["flags"].split("; ")
    assert "- `work`: " in (folder / "report.md").read_text()


def test_the_stack_beside_it_is_credited_with_its_own_work(folder: Path) -> None:
    as_measured(cell(folder, "asyncpg"))  # noise may cost it the number, and nothing else
    for row in rows(folder, "blocks.csv"):
        if row["stack"] == "asyncpg":
            assert float(row["transactions"]) >= 1
            assert float(row["scans"]) >= 1
            assert float(row["rows"]) >= float(row["rows_least"]) == 1


def test_wrong_bytes_of_the_right_length_long_after_the_verification_are_body_errors(
    folder: Path,
) -> None:
    found = cell(folder, "forgetful")
    assert int(found["err_body"]) > 0
    assert int(found["errors"]) == int(found["err_body"])
    assert "is not the verified answer" in (folder / "report.md").read_text()


def test_a_stack_that_drops_a_connection_in_a_hundred_is_caught_by_its_errors(
    folder: Path,
) -> None:
    found = cell(folder, "dropping")
    assert int(found["err_reset"]) > 0
    assert int(found["errors"]) == int(found["err_reset"])
    assert 0.1 < float(found["error_pct"]) < 2
    assert any(each.startswith("errors") for each in found["flags"].split("; "))


def test_a_generator_that_does_not_get_the_cpu_makes_its_cells_invalid(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    run = start(matrix(run={"measure": "600ms"}))
    run.until(lambda: run.runs("harness.load.generator"), "load")
    (generator,) = [
        each
        for each in psutil.Process(run.process.pid).children()
        if "harness.load.generator" in " ".join(each.cmdline())
    ]
    starve(generator)
    run.output()
    found = [
        row for row in rows(tmp_path / "results" / "tiny", "blocks.csv") if row["block"] == "1"
    ]
    assert len(found) == 2
    for row in found:
        assert row["outcome"] == "invalid"
        assert "lag" in row["reason"].split("; ")
        assert float(row["generator_late_p99_ms"]) > 10


def starve(process: psutil.Process) -> None:
    """Let `process` run half of the time, in turns, until it ends."""
    for number in turns():
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            return
        time.sleep(0.03)


def turns() -> Iterator[signal.Signals]:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        yield signal.SIGSTOP
        yield signal.SIGCONT


def test_a_neighbour_that_burns_a_core_is_flagged_and_the_block_repeated_once(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    burn = f"import time\nwhile time.process_time() < {DEADLINE_S}: pass"
    with subprocess.Popen([sys.executable, "-c", burn]) as neighbour:
        run = start(matrix())
        run.output()
        neighbour.kill()
    folder = tmp_path / "results" / "tiny"
    blocks = rows(folder, "blocks.csv")
    assert [row["block"] for row in blocks] == ["1", "1", "2", "2"]
    for row in blocks:
        assert "foreign" in row["flags"].split("; ")
        assert float(row["foreign_cpu_cores"]) > 0.1
    for found in rows(folder):
        assert "foreign" in found["flags"].split("; ")
    report = (folder / "report.md").read_text()
    assert "- `foreign`: " in report
    assert "| CPU of other processes, cores |" in report
