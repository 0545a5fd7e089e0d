"""`python -m harness matrix.toml`, with real servers, a real database and real load."""

import json
import os
import pwd
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.results.rebuild import rebuild
from tests.run.conftest import (
    CAPACITY,
    DISTANCE,
    MEMORY,
    OPEN_LOOP,
    Measured,
    Start,
    as_measured,
    measured,
)

CELLS = (
    "group,endpoint,stack,adapter,lane,limit,concurrency,rate,pool_size,workers,rtt_ms,options,"
    "blocks,requests,rps,rps_lo,rps_hi,p50_ms,p90_ms,p95_ms,p99_ms,max_ms,errors,error_pct,"
    "err_pool_timeout,err_too_many_clients,err_database,err_app,err_timeout,err_connect,err_reset,"
    "err_body,app_cpu_us,db_cpu_us,load_cpu_us,rss_idle_mib,rss_end_mib,rss_peak_mib,pss_end_mib,"
    "db_pss_mib,connections,littles_law,outcome,flags,offered_rps,service_p50_ms,service_p99_ms,"
    "schedule_lag_p99_ms,late,dropped,capacity_rps,capacity_rps_lo,capacity_rps_hi,"
    "capacity_concurrency,capacity_limit,rtt_measured_ms,rtt_loaded_ms,round_trips,via_cpu_us,"
    "connections_active,connections_idle,connections_idle_in_transaction,last_statement,"
    "pool_wait_mean_ms,pool_wait_p99_ms,worker_split,rss_per_worker,rss_quiet_mib,"
    "rss_growth_kib_per_1000,rss_growth_lo,rss_growth_hi"
)

ROUND_TRIPS = {
    ("asyncpg", "users_insert"): "2",
    ("asyncpg", "books_list"): "4",
    ("psycopg", "users_insert"): "3",
    ("psycopg", "books_list"): "5",
}

WRITTEN = {
    *("blocks.csv", "cells.csv", "pairs.csv", "report.md", "report.html"),
    *("env.json", "matrix.toml"),
}
PLOTS = {"users_insert.svg", "books_list.svg"}

Matrix = Callable[..., str]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """Let a run do all that it does unasked, but for the ceilings."""
    endpoints = ["users_insert", "books_list"]
    group = {"name": "g", "endpoint": endpoints, "concurrency": [4], "pool_size": [2]}
    full = {"max_blocks": 2, "measure": "600ms", "round_trips": True, "plots": True}
    return measured(tmp_path_factory.mktemp("whole"), group=[group], run=full)


def test_a_run_fills_every_column_of_every_cell_and_leaves_nothing(whole: Measured) -> None:
    assert {each.name for each in whole.folder.rglob("*.*")} == WRITTEN | PLOTS
    cells = whole.rows()
    assert len(cells) == len(ROUND_TRIPS)
    for cell in cells:
        assert ",".join(cell) == CELLS
        # A closed loop has no rate, a single user no limit, a clean cell no flags, and p99
        # is blank when a block has fewer than 1,000 requests. One block has no interval.
        assert (cell["limit"] == "") == (cell["endpoint"] == "users_insert")
        if not as_measured(cell):
            continue
        alone = cell["blocks"] == "1"
        assert not alone or "invalid" in cell["flags"]
        # A single worker has all clients: there is no split.
        may_be_empty = {"rate", "limit", "options", "flags", "p99_ms", "via_cpu_us", "worker_split"}
        may_be_empty |= OPEN_LOOP | CAPACITY | DISTANCE | MEMORY
        may_be_empty |= {"rps_lo", "rps_hi"} if alone else set()
        assert {name for name, value in cell.items() if value == ""} <= may_be_empty, cell
        assert cell["errors"] == "0"
        assert cell["connections"] == "2"
        assert cell["round_trips"] == ROUND_TRIPS[cell["stack"], cell["endpoint"]]
        assert alone or float(cell["rps_lo"]) <= float(cell["rps"]) <= float(cell["rps_hi"])
    assert {row["block"] for row in whole.rows("blocks.csv")} == {"1", "2"}
    assert len(whole.rows("pairs.csv")) == len(ROUND_TRIPS)
    assert "results/tiny/report.md" in whole.said.splitlines()[0]
    assert whole.run.left() == []
    assert whole.run.folders
    assert not any(each.exists() for each in whole.run.folders)


def test_the_environment_names_no_person_host_or_path(whole: Measured) -> None:
    text = (whole.folder / "env.json").read_text()
    described = json.loads(text)
    assert list(described) == sorted(described)
    assert described["packages"]["asyncpg"]
    assert described["database"]["embedded"] is True
    home = str(whole.folder.parents[1])
    for private in (socket.gethostname(), home, f'"{pwd.getpwuid(os.getuid()).pw_name}"'):
        if len(private) > 3:
            assert private not in text


def test_report_makes_the_same_bytes_again(whole: Measured, start: Start, tmp_path: Path) -> None:
    folder = shutil.copytree(whole.folder, tmp_path / "results" / "tiny")
    before = {each.name: each.read_bytes() for each in folder.rglob("*.*")}
    for name in ("cells.csv", "pairs.csv", "report.md", "report.html"):
        (folder / name).unlink()
    shutil.rmtree(folder / "plots")
    again = start("report", "results/tiny")
    again.output()
    assert again.process.returncode == 0
    assert {each.name: each.read_bytes() for each in folder.rglob("*.*")} == before


def test_a_failed_start_keeps_the_results_of_the_run_before(
    whole: Measured, start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    folder = shutil.copytree(whole.folder, tmp_path / "results" / "tiny")
    run = start(matrix(database={"settings": {"max_conections": 5}}))
    _, complained = run.output()
    assert run.process.returncode == 2
    assert complained == (
        "error: database.settings: Postgres says: "
        'unrecognized configuration parameter "max_conections"\n'
    )
    for each in whole.folder.rglob("*.*"):
        assert (folder / each.relative_to(whole.folder)).read_bytes() == each.read_bytes()
    assert run.left() == []


def test_a_rate_is_kept_reported_and_read_again(tmp_path: Path) -> None:
    group = {"name": "g", "endpoint": ["users_get"], "rate": [100.5]}
    found = measured(tmp_path, group=[group], run={"measure": "600ms", "timeout": "10s"})
    blocks, cells = found.rows("blocks.csv"), found.rows()
    assert {row["rate"] for row in blocks} == {row["rate"] for row in cells} == {"100.5"}
    for cell in cells:
        if as_measured(cell):
            assert all(cell[name] for name in OPEN_LOOP - {"service_p99_ms"}), cell
            assert (cell["errors"], cell["dropped"], cell["littles_law"]) == ("0", "0", "")
    # All stacks of a block had the same schedule, unless one fell behind on a busy machine.
    for row in blocks:
        peers = [
            each
            for each in blocks
            if (each["slices"], each["slice_ms"]) == (row["slices"], row["slice_ms"])
        ]
        assert len({each["offered_rps"] for each in peers}) == 1
    assert {row["metric"] for row in found.rows("pairs.csv")} == {"p99_ms", "app_cpu_us"}
    assert "open loop at 100.5 req/s" in (found.folder / "report.md").read_text()
    before = {each.name: each.read_bytes() for each in found.folder.rglob("*.*")}
    rebuild(found.folder)
    assert {each.name: each.read_bytes() for each in found.folder.rglob("*.*")} == before


def test_load_from_two_generators_fills_the_same_columns(tmp_path: Path) -> None:
    found = measured(tmp_path, run={"load": {"processes": 2}})
    blocks = found.rows("blocks.csv")
    assert {each["generators"] for each in blocks} == {"2"}
    for each in blocks:
        if each["outcome"] == "ok":
            assert float(each["app_cpu_us"]) > 0
            assert float(each["db_cpu_us"]) > 0
            assert float(each["generator_busy"]) > 0
    assert found.run.left() == []


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """Run one block on a database with room for the connections of one stack."""
    few = {"settings": {"max_connections": 10}}
    return measured(tmp_path_factory.mktemp("crowded"), database=few)


def test_stacks_that_cannot_connect_all_at_once_are_measured_one_at_a_time(
    crowded: Measured,
) -> None:
    rows = crowded.rows("blocks.csv")
    assert {row["schedule"] for row in rows} == {"sequential"}
    assert {row["stack"] for row in rows} == {"asyncpg", "psycopg"}
    assert all("sequential" in row["flags"].split("; ") for row in rows)
    assert {row["outcome"] for row in rows} <= {"ok", "invalid"}


def test_one_block_says_that_it_has_no_intervals(crowded: Measured) -> None:
    cells = crowded.rows()
    most = max(int(cell["blocks"]) for cell in cells)  # none, if noise made both invalid
    assert ("with one block each there are no intervals" in crowded.said) == (most == 1)
    assert {row["generators"] for row in crowded.rows("blocks.csv")} <= {"1", ""}
    for cell in cells:
        assert (cell["rps"] != "") == as_measured(cell)
        assert (cell["rps_lo"], cell["rps_hi"]) == ("", "")


BROKEN = """
from contextlib import asynccontextmanager
from adapters.asyncpg_pool import Options

@asynccontextmanager
async def connect(dsn, options):
    raise RuntimeError("no licence for this driver")
    yield
"""

WRONG = """
from contextlib import asynccontextmanager
from adapters import asyncpg_pool
from adapters.asyncpg_pool import Options

class Wrong:
    def __init__(self, right):
        self._right = right

    async def get_user(self, user_id):
        return {**await self._right.get_user(user_id), "email": "somebody@example.org"}

@asynccontextmanager
async def connect(dsn, options):
    async with asyncpg_pool.connect(dsn, options) as right:
        yield Wrong(right)
"""


def test_a_run_without_one_valid_cell_ends_in_3(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "broken.py").write_text(BROKEN)
    found = measured(tmp_path, stack=[{"name": "odd", "adapter": "pack.broken"}])
    assert found.run.process.returncode == 3
    (cell,) = found.rows()
    assert cell["outcome"] == "failed"


def test_stacks_that_cannot_connect_all_at_once_take_turns_and_must_answer_alike(
    tmp_path: Path,
) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "wrong.py").write_text(WRONG)
    stacks = [
        {"name": "odd", "adapter": "pack.wrong"},  # whose turn comes before there is another answer
        {"name": "asyncpg", "adapter": "asyncpg_pool"},
        {"name": "psycopg", "adapter": "psycopg_pool"},
    ]
    found = measured(tmp_path, stack=stacks, database={"settings": {"max_connections": 10}})
    cells = {each["stack"]: each for each in found.rows()}
    for row in found.rows("blocks.csv"):
        assert row["schedule"] == "sequential"
        assert (row["reason"].startswith("same_answer: /users/1")) == (row["stack"] == "odd")
    assert (cells["odd"]["outcome"], cells["odd"]["rps"]) == ("invalid", "")
    for name in ("asyncpg", "psycopg"):
        as_measured(cells[name])
        assert "sequential" in cells[name]["flags"].split("; ")
