"""Connections: foreseen before a run, and refused in it."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.run.conftest import Said, Start, as_measured

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
    said: Callable[..., Said], matrix: Matrix, tmp_path: Path
) -> None:
    found = said(matrix(**CROWDED))
    assert found.code == 2
    lines = found.err.splitlines()
    assert [line.split(" needs ")[0] for line in lines] == [
        "error: load: users_get: sync",
        "error: start: users_get: asyncpg",
        "error: start: users_get: psycopg",
    ]
    assert all("raise database.settings.max_connections to" in line for line in lines)
    assert not (tmp_path / "results").exists()


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


def test_stacks_that_fit_one_by_one_are_foreseen_to_take_turns(
    said: Callable[..., Said], matrix: Matrix
) -> None:
    group = {"name": "g", "endpoint": ["users_get"], "pool_size": [8]}
    name = matrix(database={"settings": {"max_connections": 20}}, group=[group])
    plan = said(name, "--plan")
    assert plan.code == 0
    turns = "users_get: asyncpg, psycopg; 16 connections of 13: one stack at a time"
    assert plan.out.startswith(turns)
