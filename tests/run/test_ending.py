"""However a run ends, it leaves whole results and nothing running."""

import csv
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from tests.run.conftest import Start, Started

Matrix = Callable[..., str]

ONE = [{"name": "asyncpg", "adapter": "asyncpg_pool"}]
LONG = {"max_blocks": 20, "measure": "2s"}
GONE_WITHIN_S = 5.0


def blocks(folder: Path) -> list[dict[str, str]]:
    try:
        with (folder / "blocks.csv").open(newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        return []


IMPATIENT = [signal.SIGINT] * 3
"""More than one changes nothing: the clean-up that the first began goes on."""


@pytest.mark.parametrize("signals", [[signal.SIGTERM], IMPATIENT], ids=["SIGTERM", "SIGINT"])
def test_an_interrupted_run_keeps_its_finished_blocks_and_ends_in_130(
    start: Start, matrix: Matrix, tmp_path: Path, signals: Sequence[signal.Signals]
) -> None:
    folder = tmp_path / "results" / "tiny"
    summary = tmp_path / "summary"
    changed = matrix(stack=ONE, run={"max_blocks": 20})
    run = start(changed, env={"GITHUB_STEP_SUMMARY": str(summary)})
    run.until(lambda: blocks(folder), "a first block")
    run.until(lambda: run.runs("harness.load.generator"), "load")
    for number in signals:
        run.process.send_signal(number)
    _, complained = run.output()
    assert run.process.returncode == 130
    assert "interrupted" in complained
    assert "Traceback" not in complained
    assert blocks(folder)
    assert (folder / "report.md").read_text().startswith("# tiny")
    assert summary.read_text() == (folder / "report.md").read_text() + "\n"
    assert run.left() == []
    assert run.folders
    assert not any(each.exists() for each in run.folders)


@pytest.mark.parametrize("phase", ["initdb", "bin/postgres", "granian"])
def test_a_killed_runner_leaves_nothing_after_five_seconds(
    start: Start, matrix: Matrix, phase: str
) -> None:
    run = start(matrix(stack=ONE, run=LONG))
    run.until(lambda: run.runs(phase), phase)
    run.look()
    left_nothing_when_killed(run)


def test_a_runner_killed_under_load_leaves_neither_a_relay_nor_generators_nor_pgbench(
    start: Start, matrix: Matrix
) -> None:
    far = {"name": "g", "endpoint": ["users_get"], "rtt": ["1ms"], "stacks": ["asyncpg"]}
    everything = {**LONG, "load": {"processes": 2}, "ceilings": True}
    run = start(matrix(group=[far], run=everything))
    run.until(lambda: run.runs("harness.distance.relay"), "a relay")
    run.until(lambda: len(generators(run)) == 2 and run.runs("--protocol=prepared"), "load")
    left_nothing_when_killed(run)


def left_nothing_when_killed(run: Started) -> None:
    run.process.kill()
    run.process.wait()
    assert run.left(within_s=GONE_WITHIN_S) == []
    assert run.folders
    for folder in run.folders:
        gone(folder, within_s=GONE_WITHIN_S)


def gone(folder: Path, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while folder.exists():
        assert time.monotonic() < deadline, f"{folder} is still there"
        time.sleep(0.02)


def test_a_generator_that_dies_ends_the_run_with_one_line(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    run = start(matrix(stack=ONE, run=LONG))
    run.until(lambda: run.runs("harness.load.generator"), "load")
    for each in psutil.Process(run.process.pid).children(recursive=True):
        if "harness.load.generator" in " ".join(each.cmdline()):
            each.kill()
    _, complained = run.output()
    assert run.process.returncode == 3
    assert complained.splitlines()[-1].startswith("error: generator: ended with")
    assert "Traceback" not in complained
    assert run.left() == []


def test_one_of_two_generators_that_dies_ends_the_run_with_one_line(
    start: Start, matrix: Matrix
) -> None:
    run = start(matrix(stack=ONE, run={**LONG, "load": {"processes": 2}}))
    run.until(lambda: len(generators(run)) == 2, "two generators")
    generators(run)[1].kill()  # of the other tests/load/test_crew.py says the same
    _, complained = run.output()
    assert run.process.returncode == 3
    assert complained.splitlines()[-1].startswith("error: generator: ended with -9")
    assert "Traceback" not in complained
    assert run.left() == []


def generators(run: Started) -> list[psutil.Process]:
    """Return those that run now, in the order they were started."""
    run.look()
    return sorted(
        (
            each
            for each, argv in run.commands.items()
            if "harness.load.generator" in argv and each.is_running()
        ),
        key=lambda each: each.create_time(),
    )


def test_two_runs_at_once_may_not_share_a_results_folder_but_may_share_the_machine(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    first = start(matrix(stack=ONE, run=LONG))
    first.until(lambda: first.runs("granian"), "servers")
    short = matrix("tiny2.toml", stack=ONE, run={"name": "tiny"})
    second, third = start(short), start(short, "--results", "elsewhere")
    _, complained = second.output()
    assert second.process.returncode == 2
    assert "another run is writing its results there" in complained
    third.measured()
    first.until(lambda: (tmp_path / "results" / "tiny" / "cells.csv").exists(), "a block")
    first.process.send_signal(signal.SIGINT)
    first.output()
    assert first.process.returncode == 130
    for each in (first, second, third):
        assert each.left() == []
    for folder in ("results", "elsewhere"):
        assert {row["outcome"] for row in blocks(tmp_path / folder / "tiny")} <= {"ok", "invalid"}
