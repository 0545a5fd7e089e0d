"""Connections: foreseen before a run, and refused in it."""

import asyncio
import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from harness.database.embedded import cluster
from harness.processes import Processes
from tests.run.conftest import PASSWORD, Said, Start, as_measured

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

FULL = [
    {
        "name": name,
        "endpoint": ["users_get"],
        "stacks": ["asyncpg"],
        "concurrency": [4],
        "pool_size": [size],
    }
    for name, size in (("full", 15), ("fuller", 16))
]
"""Of 20 connections 3 are for a superuser and 2 the run's: all others, and one more than those."""


@pytest.fixture
def crowded(processes: Processes) -> Iterator[str]:
    """Yield the DSN of somebody who is no superuser, of a server of 20 connections."""
    with asyncio.Runner() as runner:
        server = cluster(processes, {"max_connections": 20})
        address, _ = runner.run(server.__aenter__())
        dsn = address.dsn("harness-tests")
        with psycopg.connect(dsn, password=address.password, autocommit=True) as admin:
            admin.execute(f"CREATE ROLE somebody LOGIN PASSWORD '{PASSWORD}'")
            admin.execute("CREATE DATABASE theirs OWNER somebody")
        yield f"postgresql://somebody:{PASSWORD}@{address.host}:{address.port}/theirs"
        runner.run(server.__aexit__(None, None, None))


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
    start: Start, matrix: Matrix, tmp_path: Path, crowded: str
) -> None:
    groups = [*CROWDED["group"], *FULL]
    run = start(matrix(**CROWDED | {"group": groups}), "--force", "--dsn", crowded)
    _, complained = run.measured()
    assert complained.startswith("forced: load: users_get: sync needs 42 connections")
    assert "one stack at a time" in complained
    found = cells(tmp_path)
    assert int(found["load", "sync"]["err_too_many_clients"]) > 0
    for group, stack in (("start", "asyncpg"), ("start", "psycopg"), ("fuller", "asyncpg")):
        assert found[group, stack]["outcome"] == "failed"
        assert f"{stack}: too_many_clients: " in found[group, stack]["flags"]
    if as_measured(found["load", "asyncpg"]):
        assert found["load", "asyncpg"]["errors"] == "0"
        assert "sequential" in found["load", "asyncpg"]["flags"]
    if as_measured(found["full", "asyncpg"]):  # while there was no connection left to ask by
        assert found["full", "asyncpg"]["connections"] == "15"
        assert 1 <= int(found["full", "asyncpg"]["connections_idle"]) <= 15
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
