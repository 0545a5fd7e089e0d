"""`python -m harness matrix.toml`, with real servers, a real database and real load."""

import csv
import json
import os
import pwd
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.run.conftest import CAPACITY, DISTANCE, MEMORY, OPEN_LOOP, Start, as_measured

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

Matrix = Callable[..., str]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_fills_every_column_of_every_cell_and_leaves_nothing(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    endpoints = ["users_insert", "books_list"]
    group = {"name": "g", "endpoint": endpoints, "concurrency": [4], "pool_size": [2]}
    counting = {"max_blocks": 2, "measure": "600ms", "round_trips": True}
    summary = tmp_path / "summary"
    run = start(matrix(group=[group], run=counting), env={"GITHUB_STEP_SUMMARY": str(summary)})
    said, _ = run.measured()

    folder = tmp_path / "results" / "tiny"
    assert summary.read_text() == (folder / "report.md").read_text() + "\n"
    assert {each.name for each in folder.rglob("*.*")} == WRITTEN
    cells = rows(folder / "cells.csv")
    assert len(cells) == 2 * len(endpoints)
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
    # A disturbed block is given once more.
    assert {"1", "2"} <= {row["block"] for row in rows(folder / "blocks.csv")} <= set("1234")
    assert len(rows(folder / "pairs.csv")) == 2 * len(endpoints)
    assert "results/tiny/report.md" in said.splitlines()[0]
    assert run.left() == []
    assert not any(each.exists() for each in run.folders)


def test_a_rate_is_kept_reported_and_read_again(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    group = {"name": "g", "endpoint": ["users_get"], "rate": [100.5]}
    run = start(matrix(group=[group], run={"measure": "600ms", "max_blocks": 2, "timeout": "10s"}))
    run.measured()
    folder = tmp_path / "results" / "tiny"
    blocks, cells = rows(folder / "blocks.csv"), rows(folder / "cells.csv")
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
            if (each["endpoint"], each["block"], each["slices"], each["slice_ms"])
            == (row["endpoint"], row["block"], row["slices"], row["slice_ms"])
        ]
        assert len({each["offered_rps"] for each in peers}) == 1
    pairs = rows(folder / "pairs.csv")
    assert {row["metric"] for row in pairs} == {"p99_ms", "app_cpu_us"}
    assert "open loop at 100.5 req/s" in (folder / "report.md").read_text()
    before = {each.name: each.read_bytes() for each in folder.rglob("*.*")}
    start("report", "results/tiny").output()
    assert {each.name: each.read_bytes() for each in folder.rglob("*.*")} == before


def test_load_from_two_generators_fills_the_same_columns(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    run = start(matrix(run={"load": {"processes": 2}}))
    run.measured()
    blocks = rows(tmp_path / "results" / "tiny" / "blocks.csv")
    assert {each["generators"] for each in blocks} == {"2"}
    for each in blocks:
        if each["outcome"] == "ok":
            assert float(each["app_cpu_us"]) > 0
            assert float(each["db_cpu_us"]) > 0
            assert float(each["generator_busy"]) > 0
    assert run.left() == []


def test_the_environment_names_no_person_host_or_path(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    run = start(matrix())
    run.output()
    text = (tmp_path / "results" / "tiny" / "env.json").read_text()
    described = json.loads(text)
    assert list(described) == sorted(described)
    assert described["packages"]["asyncpg"]
    assert described["database"]["embedded"] is True
    for private in (socket.gethostname(), str(tmp_path), f'"{pwd.getpwuid(os.getuid()).pw_name}"'):
        if len(private) > 3:
            assert private not in text


def test_one_block_says_that_it_has_no_intervals(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    run = start(matrix())
    said, _ = run.measured()
    cells = rows(tmp_path / "results" / "tiny" / "cells.csv")
    most = max(int(cell["blocks"]) for cell in cells)  # a disturbed block is given once more
    assert ("with one block each there are no intervals" in said) == (most == 1)
    blocks = rows(tmp_path / "results" / "tiny" / "blocks.csv")
    assert {each["generators"] for each in blocks} <= {"1", ""}
    for cell in cells:
        assert (cell["rps"] != "") == as_measured(cell)
        assert (cell["rps_lo"] == "") == (cell["rps_hi"] == "") == (int(cell["blocks"]) < 2)


def test_report_makes_the_same_bytes_again(start: Start, matrix: Matrix, tmp_path: Path) -> None:
    start(matrix(run={"max_blocks": 2, "plots": True})).output()
    folder = tmp_path / "results" / "tiny"
    assert [each.name for each in (folder / "plots").iterdir()] == ["users_get.svg"]
    before = {each.name: each.read_bytes() for each in folder.rglob("*.*")}
    for name in ("cells.csv", "pairs.csv", "report.md", "report.html"):
        (folder / name).unlink()
    again = start("report", "results/tiny")
    again.output()
    assert again.process.returncode == 0
    assert {each.name: each.read_bytes() for each in folder.rglob("*.*")} == before


BROKEN = """
from contextlib import asynccontextmanager
from adapters.asyncpg_pool import Options

@asynccontextmanager
async def connect(dsn, options):
    raise RuntimeError("no licence for this driver")
    yield
"""

LIMITED = """
from contextlib import asynccontextmanager
from adapters import asyncpg_pool
from adapters.asyncpg_pool import Options
from adapters.base import Unsupported

class Limited:
    async def get_user(self, user_id):
        raise Unsupported("reads nothing by key")

@asynccontextmanager
async def connect(dsn, options):
    yield Limited()
"""

WRONG = """
from contextlib import asynccontextmanager
from adapters import asyncpg_pool
from adapters.asyncpg_pool import Options

class Wrong:
    def __init__(self, right):
        self._right = right

    async def get_user(self, user_id):
        user = await self._right.get_user(user_id)
        return {**user, "email": "somebody@example.org"}

@asynccontextmanager
async def connect(dsn, options):
    async with asyncpg_pool.connect(dsn, options) as right:
        yield Wrong(right)
"""


@pytest.mark.parametrize(
    ("source", "outcome", "reason"),
    [
        (BROKEN, "failed", "no licence for this driver"),
        (LIMITED, "unsupported", "reads nothing by key"),
        (WRONG, "invalid", "same_answer: /users/1 differs"),
    ],
)
def test_a_stack_that_cannot_be_measured_is_a_row_with_its_reason_and_the_others_go_on(
    start: Start, matrix: Matrix, tmp_path: Path, source: str, outcome: str, reason: str
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").touch()
    (tmp_path / "mine" / "odd.py").write_text(source)
    stacks = [
        {"name": "asyncpg", "adapter": "asyncpg_pool"},
        {"name": "odd", "adapter": "mine.odd"},
        {"name": "psycopg", "adapter": "psycopg_pool"},
    ]
    run = start(matrix(stack=stacks))
    run.measured()
    folder = tmp_path / "results" / "tiny"
    cells = {row["stack"]: row for row in rows(folder / "cells.csv")}
    assert cells["odd"]["outcome"] == outcome
    assert cells["odd"]["rps"] == ""
    assert reason in cells["odd"]["flags"]
    assert reason in (folder / "report.md").read_text()
    for other in ("asyncpg", "psycopg"):
        as_measured(cells[other])
    assert run.left() == []


def test_an_invalid_cell_fails_the_run_only_when_asked_to(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "wrong.py").write_text(WRONG)
    stacks = [
        {"name": "asyncpg", "adapter": "asyncpg_pool"},
        {"name": "psycopg", "adapter": "psycopg_pool"},
        {"name": "odd", "adapter": "pack.wrong"},
    ]
    run = start(matrix(stack=stacks), "--fail-on-invalid")
    run.output()
    assert run.process.returncode == 3


def test_a_run_without_one_valid_cell_ends_in_3(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "broken.py").write_text(BROKEN)
    run = start(matrix(stack=[{"name": "odd", "adapter": "pack.broken"}]))
    run.output()
    assert run.process.returncode == 3
    (cell,) = rows(tmp_path / "results" / "tiny" / "cells.csv")
    assert cell["outcome"] == "failed"


def test_stacks_that_cannot_connect_all_at_once_are_measured_one_at_a_time(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    run = start(matrix(database={"settings": {"max_connections": 10}}))
    run.measured()
    cells = rows(tmp_path / "results" / "tiny" / "blocks.csv")
    assert {cell["schedule"] for cell in cells if cell["block"] == "1"} == {"sequential"}
    assert {cell["stack"] for cell in cells} == {"asyncpg", "psycopg"}
    assert all("sequential" in cell["flags"].split("; ") for cell in cells)
    assert {cell["outcome"] for cell in cells} <= {"ok", "invalid"}
