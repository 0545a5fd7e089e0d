"""Connections: foreseen before a run, refused in it, and counted while it goes on."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.run.conftest import Start, as_measured

Matrix = Callable[..., str]

CROWDED: dict[str, Any] = {
    "database": {"settings": {"max_connections": 20}},
    "stack": [
        {"name": "asyncpg", "adapter": "asyncpg_pool"},
        {"name": "psycopg", "adapter": "psycopg_pool"},
        {"name": "sync", "adapter": "sqlalchemy_sync", "options": {"max_overflow": 40}},
    ],
    "group": [
        {
            "name": "load",
            "endpoint": ["users_get"],
            "stacks": ["asyncpg", "sync"],
            "concurrency": [40],
            "pool_size": [2],
        },
        {
            "name": "start",
            "endpoint": ["users_get"],
            "stacks": ["asyncpg", "psycopg"],
            "concurrency": [4],
            "pool_size": [15],
            "workers": [2],
        },
    ],
}
"""A stack whose overflow is refused while it has load, and two whose pools cannot be filled."""


def cells(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    with (folder / "results" / "tiny" / "cells.csv").open(newline="") as file:
        return {(row["group"], row["stack"]): row for row in csv.DictReader(file)}


def test_a_matrix_that_cannot_have_its_connections_starts_nothing(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    run = start(matrix(**CROWDED))
    _, complained = run.output()
    assert run.process.returncode == 2
    lines = complained.splitlines()
    assert [line.split(" needs ")[0] for line in lines] == [
        "error: load: users_get: sync",
        "error: start: users_get: asyncpg",
        "error: start: users_get: psycopg",
    ]
    assert all("raise database.settings.max_connections to" in line for line in lines)
    assert not (tmp_path / "results").exists()
    assert not run.folders


def test_forced_it_shows_which_stack_fails_how_and_the_others_go_on(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    run = start(matrix(**CROWDED), "--force")
    _, complained = run.measured()
    assert complained.startswith("forced: load: users_get: sync needs 42 connections")
    assert "one stack at a time" in complained
    found = cells(tmp_path)
    assert int(found["load", "sync"]["err_too_many_clients"]) > 0
    for stack in ("asyncpg", "psycopg"):
        assert found["start", stack]["outcome"] == "failed"
        assert f"{stack}: too_many_clients: " in found["start", stack]["flags"]
    if as_measured(found["load", "asyncpg"]):
        assert found["load", "asyncpg"]["errors"] == "0"
        assert "sequential" in found["load", "asyncpg"]["flags"]
    report = (tmp_path / "results" / "tiny" / "report.md").read_text()
    assert "| load: users_get | sync | too_many_clients |" in report
    assert run.left() == []


def test_what_connections_did_is_seen_of_every_stack_and_worker(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    group = {"name": "g", "endpoint": ["users_get"], "concurrency": [6], "pool_size": [2]}
    stacks = [
        {"name": "asyncpg", "adapter": "asyncpg_pool"},
        {"name": "sync", "adapter": "sqlalchemy_sync", "options": {"max_overflow": 0}},
    ]
    run = start(
        matrix(stack=stacks, group=[group | {"workers": [2]}], run={"measure": "600ms"}),
    )
    run.measured()
    for (_, stack), cell in cells(tmp_path).items():
        if not as_measured(cell):
            continue
        assert sum(map(int, cell["worker_split"].split("/"))) == 6
        assert cell["connections"] == "4"
        assert 0 <= int(cell["connections_idle_in_transaction"]) <= 4
        assert 1 <= int(cell["connections_idle"]) <= 4
        assert 0 < float(cell["pool_wait_mean_ms"]) < 1000 * 2  # run.timeout
        assert float(cell["pool_wait_p99_ms"]) > 0
        # What each library sends last of all, whatever was asked.
        last = {"asyncpg": "RESET", "sync": "ROLLBACK"}[stack]
        assert cell["last_statement"].startswith(last)
    report = (tmp_path / "results" / "tiny" / "report.md").read_text()
    assert "## Connections" in report or not any(
        each["outcome"] == "ok" for each in cells(tmp_path).values()
    )
    assert run.left() == []


def test_stacks_that_fit_one_by_one_are_foreseen_to_take_turns(
    start: Start, matrix: Matrix
) -> None:
    group = {"name": "g", "endpoint": ["users_get"], "pool_size": [8]}
    name = matrix(database={"settings": {"max_connections": 20}}, group=[group])
    run = start(name, "--plan")
    said, _ = run.output()
    assert run.process.returncode == 0
    assert said.startswith("users_get: asyncpg, psycopg; 16 connections of 13: one stack at a time")
