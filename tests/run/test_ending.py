"""However a run ends, it leaves whole results and nothing running."""

import csv
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.run.conftest import BY_NOISE, Start, Started

Matrix = Callable[..., str]

LONG = {"max_blocks": 20, "measure": "2s"}
GONE_WITHIN_S = 5.0


def blocks(folder: Path) -> list[dict[str, str]]:
    try:
        with (folder / "blocks.csv").open(newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        return []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_its_finished_blocks_and_ends_in_130(
    start: Start, matrix: Matrix, tmp_path: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "results" / "tiny"
    run = start(matrix(run={"max_blocks": 20}))
    run.until(lambda: blocks(folder), "a first block")
    run.until(lambda: run.runs("harness.load.generator"), "load")
    run.process.send_signal(number)
    _, complained = run.output()
    assert run.process.returncode == 130
    assert "interrupted" in complained
    assert "Traceback" not in complained
    assert blocks(folder)
    assert (folder / "report.md").read_text().startswith("# tiny")
    assert run.left() == []
    assert not any(each.exists() for each in run.folders)


def test_an_impatient_second_signal_changes_nothing(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    run = start(matrix(run=LONG))
    run.until(lambda: run.runs("harness.load.generator"), "load")
    for _ in range(3):
        run.process.send_signal(signal.SIGINT)
    _, complained = run.output()
    assert run.process.returncode == 130
    assert "Traceback" not in complained
    assert run.left() == []


@pytest.mark.parametrize("phase", ["initdb", "bin/postgres", "granian", "harness.load.generator"])
def test_a_killed_runner_leaves_nothing_after_five_seconds(
    start: Start, matrix: Matrix, phase: str
) -> None:
    run = start(matrix(run=LONG))
    run.until(lambda: run.runs(phase), phase)
    run.look()
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
    run = start(matrix(run=LONG))
    run.until(lambda: run.runs("harness.load.generator"), "load")
    for each in psutil.Process(run.process.pid).children(recursive=True):
        if "harness.load.generator" in " ".join(each.cmdline()):
            each.kill()
    _, complained = run.output()
    assert run.process.returncode == 3
    assert complained.splitlines()[-1].startswith("error: generator: ended with")
    assert "Traceback" not in complained
    assert run.left() == []


@pytest.mark.parametrize("index", [0, 1])
def test_one_of_two_generators_that_dies_ends_the_run_with_one_line(
    start: Start, matrix: Matrix, index: int
) -> None:
    run = start(matrix(run={**LONG, "load": {"processes": 2}}))
    run.until(lambda: len(generators(run)) == 2, "two generators")
    generators(run)[index].kill()
    _, complained = run.output()
    assert run.process.returncode == 3
    assert complained.splitlines()[-1].startswith("error: generator: ended with -9")
    assert "Traceback" not in complained
    assert run.left() == []


def test_a_killed_runner_leaves_neither_of_two_generators_nor_pgbench(
    start: Start, matrix: Matrix
) -> None:
    run = start(matrix(run={**LONG, "load": {"processes": 2}, "ceilings": True}))
    run.until(lambda: len(generators(run)) == 2 and run.runs("--protocol=prepared"), "all three")
    run.process.kill()
    run.process.wait()
    assert run.left(within_s=GONE_WITHIN_S) == []


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


def test_a_server_that_dies_under_load_is_seen_as_errors_of_its_stack_alone(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    run = start(matrix(run={"measure": "1s", "warmup": "2s"}))
    run.until(lambda: run.runs("harness.load.generator"), "load")
    (victim,) = [
        each
        for each in psutil.Process(run.process.pid).children()
        if "granian" in " ".join(each.cmdline())
        and '"psycopg_pool"' in each.environ()["HARNESS_APP"]
    ]
    for each in [*victim.children(recursive=True), victim]:
        each.kill()
    run.measured()
    found = blocks(tmp_path / "results" / "tiny")
    rows = {row["stack"]: row for row in found if row["block"] == "1"}
    assert rows["asyncpg"]["outcome"] in ("ok", "invalid")
    assert rows["asyncpg"]["err_reset"] == rows["asyncpg"]["err_connect"] == "0"
    assert rows["psycopg"]["outcome"] in ("ok", "failed", "invalid")
    for row in rows.values():  # what makes one invalid is noise, and nothing of the server's end
        if row["outcome"] == "invalid":
            assert all(BY_NOISE.fullmatch(each) for each in row["reason"].split("; ")), row
    assert rows["psycopg"]["rps"] in ("", "0")
    assert run.left() == []


def test_a_failed_start_keeps_the_results_of_the_run_before(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    folder = tmp_path / "results" / "tiny"
    start(matrix()).output()
    before = {each.name: each.read_bytes() for each in folder.rglob("*.*")}
    run = start(matrix(database={"settings": {"max_conections": 5}}))
    _, complained = run.output()
    assert run.process.returncode == 2
    assert complained == (
        "error: database.settings: Postgres says: "
        'unrecognized configuration parameter "max_conections"\n'
    )
    assert {each.name: each.read_bytes() for each in folder.rglob("*.*")} == before
    assert run.left() == []


def test_two_runs_at_once_may_not_share_a_results_folder_but_may_share_the_machine(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    first = start(matrix(run=LONG))
    first.until(lambda: first.runs("granian"), "servers")
    short = matrix("tiny2.toml", run={"name": "tiny"})
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
