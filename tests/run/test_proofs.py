"""Whatever can make a number wrong, done on purpose: each is caught by the check meant for it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from harness.parts import PARTS
from tests.run.conftest import BY_NOISE, DEADLINE_S, Measured, Start, as_measured, measured

Matrix = Callable[..., str]

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

DYING = """
import os, signal

class Odd:
    def __init__(self, right, dsn):
        self._right, self._seen = right, set()

    async def get_user(self, user_id):
        if user_id in self._seen:  # once each is asked for by the verification
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        self._seen.add(user_id)
        return await self._right.get_user(user_id)
"""

WRONG = """
class Odd:
    def __init__(self, right, dsn):
        self._right = right

    async def get_user(self, user_id):
        return {**await self._right.get_user(user_id), "email": "somebody@example.org"}
"""

LIMITED = """
from adapters.base import Unsupported

class Odd:
    def __init__(self, right, dsn):
        pass

    async def get_user(self, user_id):
        raise Unsupported("reads nothing by key")
"""

BROKEN = """
class Odd:
    def __init__(self, right, dsn):
        raise RuntimeError("no licence for this driver")
"""

MOODY = """
import pathlib, time

BEGAN = pathlib.Path(__file__).with_suffix(".began")  # once, whichever server is the first
if not BEGAN.exists():
    BEGAN.write_text(repr(time.monotonic()))
BEGAN_S = float(BEGAN.read_text())

class Odd:
    def __init__(self, right, dsn):
        self._right = right

    async def get_user(self, user_id):
        age_s = time.monotonic() - BEGAN_S
        for _ in range(int(3_000 * (1 + age_s) * (3 if age_s // 2 % 2 else 1))):
            pass
        return await self._right.get_user(user_id)
"""

ODD = {
    "caching": CACHING,
    "forgetful": FORGETFUL,
    "dropping": DROPPING,
    "dying": DYING,
    "wrong": WRONG,
    "limited": LIMITED,
    "broken": BROKEN,
}


@pytest.fixture(scope="module")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """Run an honest stack and those that are not, together."""
    home = tmp_path_factory.mktemp("proofs")
    (home / "odd").mkdir()
    for name, body in ODD.items():
        (home / "odd" / f"{name}.py").write_text(WRAPPED.format(body=body))
    return measured(
        home,
        "--fail-on-invalid",
        env={"GITHUB_STEP_SUMMARY": str(home / "summary")},
        run={"measure": "1s"},
        stack=[
            {"name": "asyncpg", "adapter": "asyncpg_pool"},
            *({"name": name, "adapter": f"odd.{name}"} for name in ODD),
        ],
        # One connection has had its bytes compared after 127 answers at the latest.
        group=[{"name": "g", "endpoint": ["users_get"], "concurrency": [1], "pool_size": [2]}],
    )


def cell(proofs: Measured, stack: str) -> dict[str, str]:
    (found,) = [row for row in proofs.rows() if row["stack"] == stack]
    return found


def report(proofs: Measured) -> str:
    return (proofs.folder / "report.md").read_text()


def test_a_stack_that_answers_from_memory_is_invalid_for_work_not_done(proofs: Measured) -> None:
    found = cell(proofs, "caching")
    assert (found["outcome"], found["rps"]) == ("invalid", "")
    assert "work" in found["flags"].split("; ")
    assert "- `work`: " in report(proofs)


def test_the_stack_beside_it_is_credited_with_its_own_work(proofs: Measured) -> None:
    as_measured(cell(proofs, "asyncpg"))  # noise may cost it the number, and nothing else
    for row in proofs.rows("blocks.csv"):
        if row["stack"] == "asyncpg":
            assert float(row["transactions"]) >= 1
            assert float(row["scans"]) >= 1
            assert float(row["rows"]) >= float(row["rows_least"]) == 1


def test_wrong_bytes_of_the_right_length_long_after_the_verification_are_body_errors(
    proofs: Measured,
) -> None:
    found = cell(proofs, "forgetful")
    assert int(found["err_body"]) > 0
    assert int(found["errors"]) == int(found["err_body"])
    assert "is not the verified answer" in report(proofs)


def test_a_stack_that_drops_a_connection_in_a_hundred_is_caught_by_its_errors(
    proofs: Measured,
) -> None:
    found = cell(proofs, "dropping")
    assert int(found["err_reset"]) > 0
    assert int(found["errors"]) == int(found["err_reset"])
    assert 0.1 < float(found["error_pct"]) < 2
    assert any(each.startswith("errors") for each in found["flags"].split("; "))


def test_a_server_that_dies_under_load_is_seen_as_errors_of_its_stack_alone(
    proofs: Measured,
) -> None:
    rows = {row["stack"]: row for row in proofs.rows("blocks.csv")}
    assert rows["asyncpg"]["err_reset"] == rows["asyncpg"]["err_connect"] == "0"
    assert rows["dying"]["outcome"] in ("ok", "failed", "invalid")
    if rows["dying"]["outcome"] == "invalid":  # by noise, and by nothing of the server's end
        reasons = rows["dying"]["reason"].split("; ")
        assert all(BY_NOISE.fullmatch(each) for each in reasons), reasons
    assert rows["dying"]["rps"] in ("", "0")
    assert int(rows["dying"]["err_connect"]) > 0


@pytest.mark.parametrize(
    ("stack", "outcome", "reason"),
    [
        ("broken", "failed", "no licence for this driver"),
        ("limited", "unsupported", "reads nothing by key"),
        ("wrong", "invalid", "same_answer: /users/1 differs"),
    ],
)
def test_a_stack_that_cannot_be_measured_is_a_row_with_its_reason_and_the_others_go_on(
    proofs: Measured, stack: str, outcome: str, reason: str
) -> None:
    found = cell(proofs, stack)
    assert (found["outcome"], found["rps"]) == (outcome, "")
    assert reason in found["flags"]
    assert reason in report(proofs)
    as_measured(cell(proofs, "asyncpg"))


def test_an_invalid_cell_fails_the_run_that_asks_for_it(proofs: Measured) -> None:
    assert proofs.run.process.returncode == 3


def test_whatever_becomes_of_its_stacks_a_run_leaves_nothing(proofs: Measured) -> None:
    assert proofs.run.left() == []
    assert not any(each.exists() for each in proofs.run.folders)


def test_the_page_of_a_workflows_step_is_the_report(proofs: Measured) -> None:
    summary = proofs.folder.parents[1] / "summary"
    assert summary.read_text() == report(proofs) + "\n"


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
    ended = Measured(run, *run.output(), tmp_path / "results" / "tiny")
    found = ended.rows("blocks.csv")
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
        time.sleep(0.07)  # longer than two ticks of its timer


def turns() -> Iterator[signal.Signals]:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        yield signal.SIGSTOP
        yield signal.SIGCONT


def test_a_neighbour_that_burns_a_core_is_flagged_and_the_block_repeated_once(
    tmp_path: Path,
) -> None:
    burn = f"import time\nwhile time.process_time() < {DEADLINE_S}: pass"
    with subprocess.Popen([sys.executable, "-c", burn]) as neighbour:
        beside = measured(tmp_path, run={"repeat_disturbed": True})
        neighbour.kill()
    blocks = beside.rows("blocks.csv")
    assert [row["block"] for row in blocks] == ["1", "1", "2", "2"]
    for row in blocks:
        assert "foreign" in row["flags"].split("; ")
        assert float(row["foreign_cpu_cores"]) > 0.1
    for found in beside.rows():
        assert "foreign" in found["flags"].split("; ")
    assert "- `foreign`: " in report(beside)
    assert "| CPU of other processes, cores |" in report(beside)


def test_a_stack_that_is_slow_by_turns_and_slower_every_time_has_a_ratio_that_wanders(
    tmp_path: Path,
) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "moody.py").write_text(WRAPPED.format(body=MOODY))
    moved = measured(
        tmp_path,
        # Long enough for sixteen slices on a slow machine.
        run={"measure": "2s", "slice": "25ms", "max_blocks": 3},
        stack=[
            {"name": "asyncpg", "adapter": "asyncpg_pool"},
            {"name": "moody", "adapter": "odd.moody"},
        ],
        group=[{"name": "g", "endpoint": ["users_get"], "concurrency": [1], "pool_size": [1]}],
    )
    rows = [row for row in moved.rows("blocks.csv") if as_measured(row)]
    if len(rows) < 5 or any(int(row["slices"]) < PARTS for row in rows):
        pytest.skip("a busy machine left too little to doubt: of two stacks in three blocks")
    assert {len(row["parts"]) for row in rows} == {2 * PARTS}
    flags = {pair["metric"]: pair["flags"] for pair in moved.rows("pairs.csv")}
    assert "wander" in flags["app_cpu_us"].split("; ")  # what neighbours do is in req/s alone
    assert "- `wander`: " in report(moved)
