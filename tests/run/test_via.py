"""Stacks that reach their database through a PgBouncer."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.database import pgbouncer
from tests.run.conftest import Start, Started, as_measured
from tests.run.test_ending import GONE_WITHIN_S, gone

pytestmark = pytest.mark.skipif(pgbouncer.executable() is None, reason=pgbouncer.MISSING)

STACKS: list[dict[str, Any]] = [
    {
        "name": "asyncpg",
        "adapter": "asyncpg_pool",
        "options": {"statement_cache_size": 0},
        "via": "pgbouncer",
    },
    {
        "name": "sync",
        "adapter": "sqlalchemy_sync",
        "options": {"max_overflow": 0},
        "via": "pgbouncer",
    },
    {"name": "straight", "adapter": "sqlalchemy_sync", "options": {"max_overflow": 0}},
]


def folders(run: Started) -> list[Path]:
    """Return the temporary folders of the PgBouncers that were seen."""
    return [
        Path(argument).parent
        for argv in run.commands.values()
        for argument in argv
        if "/harness-pgbouncer-" in argument
    ]


def test_a_stack_through_pgbouncer_is_measured_and_its_backends_are_its_own(
    start: Start, matrix: Callable[..., str], tmp_path: Path
) -> None:
    run = start(matrix(stack=STACKS, run={"round_trips": True}))
    run.measured()
    with (tmp_path / "results" / "tiny" / "cells.csv").open(newline="") as file:
        cells = {row["stack"]: row for row in csv.DictReader(file)}
    assert cells["sync"]["round_trips"] == cells["straight"]["round_trips"] == "3"
    for name, cell in cells.items():
        if as_measured(cell):
            assert cell["errors"] == "0"
            assert 1 <= int(cell["connections"]) <= 2
            assert (cell["via_cpu_us"] != "") == (name != "straight")
            assert 1 <= int(cell["connections_idle"]) <= 2
            # What each library sends last of all; a PgBouncer has nothing to add.
            last = "RESET" if name == "asyncpg" else "ROLLBACK"
            assert last in cell["last_statement"].split("; ")
    assert folders(run)
    assert run.left() == []
    assert not any(each.exists() for each in folders(run))


def test_a_killed_runner_leaves_no_pgbouncer(start: Start, matrix: Callable[..., str]) -> None:
    run = start("serve", "sync", "--matrix", matrix(stack=STACKS))
    run.until(lambda: run.runs("granian"), "the server")
    run.process.kill()
    run.process.wait()
    assert run.left(within_s=GONE_WITHIN_S) == []
    assert folders(run)
    for folder in folders(run):
        gone(folder, GONE_WITHIN_S)
