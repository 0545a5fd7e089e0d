"""`python -m harness ab`: two revisions of a repository, measured as a user would."""

import csv
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from harness.results.rebuild import rebuild
from tests.ab.repository import commit, repository
from tests.run.conftest import Start, Started, as_measured

SLOWER_MS = 5
BUSY = f"""
        import time
        until = time.thread_time() + {SLOWER_MS / 1000}
        while time.thread_time() < until:
            pass
"""
SIGNATURE = "    async def get_user(self, user_id: int) -> Json | None:\n"
GROUP = {"name": "g", "endpoint": ["users_get"], "concurrency": [1], "pool_size": [1]}
GONE_WITHIN_S = 5.0

Matrix = Callable[..., str]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """Return a repository, which the harness runs from, whose last commit slows one stack."""
    repository(tmp_path)
    adapter = tmp_path / "adapters" / "asyncpg_pool.py"
    text = adapter.read_text()
    assert text.count(SIGNATURE) == 1
    adapter.write_text(text.replace(SIGNATURE, SIGNATURE + BUSY))
    commit(tmp_path, "slower")
    return tmp_path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_revision_that_made_a_stack_slower_is_named_and_the_other_stacks_sides_are_alike(
    start: Start, matrix: Matrix, repo: Path
) -> None:
    path = matrix(run={"max_blocks": 2, "min_blocks": 2}, group=[GROUP])
    run = start("ab", "HEAD~1", "HEAD", path, "--fail-on", "slower:50%")
    said, complained = run.output()
    folder = repo / "results" / "tiny-ab"
    cells = {row["stack"]: row for row in rows(folder / "cells.csv")}
    assert set(cells) == {
        f"{stack}@{side}" for stack in ("asyncpg", "psycopg") for side in ("HEAD~1", "HEAD")
    }
    for stack in ("asyncpg", "psycopg"):
        if not all(as_measured(cells[f"{stack}@{side}"]) for side in ("HEAD~1", "HEAD")):
            continue
        before, after = (
            float(cells[f"{stack}@{side}"]["app_cpu_us"]) for side in ("HEAD~1", "HEAD")
        )
        assert (after - before > 900 * SLOWER_MS) == (stack == "asyncpg")
    for pair in rows(folder / "pairs.csv"):
        assert pair["stack"].partition("@")[0] == pair["baseline"].partition("@")[0]
        if pair["stack"] == "asyncpg@HEAD" and pair["metric"] == "app_cpu_us" and pair["ratio"]:
            assert float(pair["ratio"]) > 2
            assert "asyncpg on users_get: HEAD answers 0." in said
            if pair["verdict"] != "unclear":  # as two blocks are on a noisy machine
                assert pair["verdict"] == "slower"
                assert "slower: asyncpg: users_get: asyncpg@HEAD: app CPU" in complained
                assert run.process.returncode == 1
    report = (folder / "report.md").read_text()
    assert "A/A:" not in report
    assert "| side HEAD~1 |" in report
    assert "the same Python and packages" in report
    written = {each.name: each.read_bytes() for each in folder.rglob("*.*")}
    rebuild(folder)
    assert {each.name: each.read_bytes() for each in folder.rglob("*.*")} == written
    assert run.left() == []
    assert not any(each.exists() for each in run.folders)


def test_a_killed_comparison_leaves_no_server_and_no_tree(
    start: Start, matrix: Matrix, repo: Path
) -> None:
    run = start("ab", "HEAD~1", "HEAD", matrix(run={"max_blocks": 20}))
    run.until(lambda: run.runs("pg_stack_harness_elsewhere"), "a server")
    served_from = trees(run)
    run.process.kill()
    run.process.wait()
    assert run.left(within_s=GONE_WITHIN_S) == []
    assert served_from
    until_gone(served_from)


def test_an_interrupted_making_of_environments_leaves_none(
    start: Start, matrix: Matrix, repo: Path
) -> None:
    run = start("ab", "--with", "asyncpg==0.31.0", "--with", "asyncpg==0.32.0", matrix())
    run.until(lambda: run.runs("-m venv"), "an environment")
    made = {
        Path(argument).parent
        for argv in run.commands.values()
        for argument in argv
        if "/pg-stack-harness-venv-" in argument and argument.endswith("/venv")
    }
    run.process.send_signal(signal.SIGINT)
    _, complained = run.output()
    assert run.process.returncode == 130
    assert "interrupted; results/tiny-ab: nothing was measured" in complained
    assert run.left() == []
    assert made
    assert not any(each.exists() for each in made)


def trees(run: Started) -> set[Path]:
    """Return the temporary trees that servers of a run have as their folder now."""
    folders = {Path(psutil.Process(run.process.pid).cwd())}
    for each in run.look():
        if each.is_running() and "pg_stack_harness_elsewhere:app" in run.commands.get(each, ()):
            folders.add(Path(each.cwd()))
    return {each for each in folders if each.name.startswith("pg-stack-harness-tree-")}


def until_gone(folders: set[Path]) -> None:
    deadline = time.monotonic() + GONE_WITHIN_S
    while any(each.exists() for each in folders):
        assert time.monotonic() < deadline, folders
        time.sleep(0.02)
