"""pgbench as a target: on a real database, and its log read on its own."""

import asyncio
import time
from pathlib import Path

import numpy as np
import psycopg
import pytest
import uvloop

from harness.database import pgbench
from harness.load.generator import fire
from harness.load.job import Answer, Job, PgbenchTarget, TargetAnswer
from harness.load.loader import Clocks
from harness.load.pgbench import Transaction, Window, counted_in, transactions
from harness.model import Endpoint, Setting
from tests.conftest import BOOKS, USERS, Database
from tests.factories import a_key
from tests.load.servers import answer_bytes, keep_alive, serving, target

CLIENTS = 3
LIMITS = {"users_list": 10, "books_list": 5}


def a_setting(endpoint: Endpoint) -> Setting:
    return a_key(endpoint=endpoint, limit=LIMITS.get(endpoint)).setting


def a_pgbench(
    folder: Path, dsn: str, endpoint: Endpoint = "users_get", share: float = 1.0
) -> PgbenchTarget:
    tool = pgbench.executable(embedded=True)
    assert tool is not None
    setting = a_setting(endpoint)
    (folder / pgbench.SCRIPT).write_text(pgbench.script(setting, users=USERS))
    argv = pgbench.command(tool, setting, books=BOOKS, dsn=dsn, clients=CLIENTS, folder=folder)
    return PgbenchTarget("pgbench", argv, CLIENTS, str(folder), share)


def a_job(pgbench: PgbenchTarget, postmaster_pid: int | None = None) -> Job:
    return Job(10.0, 0.2, 0.2, 0.4, (), ((0,),), postmaster_pid, pgbench=pgbench)


def fired(job: Job) -> Answer:
    return uvloop.run(asyncio.wait_for(fire(job), 40))


def only(answer: Answer) -> TargetAnswer:
    (one,) = answer.targets
    return one


@pytest.mark.parametrize("endpoint", ["users_get", "users_list", "users_insert", "books_list"])
def test_every_endpoints_sql_runs_in_slices(
    database: Database, tmp_path: Path, endpoint: Endpoint
) -> None:
    job = a_job(a_pgbench(tmp_path, database.dsn, endpoint), database.postmaster_pid)
    answer = only(fired(job))
    assert (answer.errors, answer.messages) == ({}, {})
    assert answer.warmup_median_ns
    assert len(answer.slices) >= 1
    latencies_ns = np.frombuffer(answer.latencies_ns, "<i8")
    assert sum(each.requests for each in answer.slices) == len(latencies_ns) > 0
    assert {each.app_cpu_ns for each in answer.slices} == {None}
    assert sum(each.load_cpu_ns or 0 for each in answer.slices) > 0
    assert sum(each.db_cpu_ns or 0 for each in answer.slices) > 0


def test_it_writes_nothing_to_the_database_that_it_does_not_log(
    database: Database, tmp_path: Path
) -> None:
    with psycopg.connect(database.dsn, autocommit=True) as connection:

        def count() -> int:
            row = connection.execute("SELECT count(*) FROM harness.users").fetchone()
            assert row is not None
            return int(row[0])

        before = count()
        answer = only(fired(a_job(a_pgbench(tmp_path, database.dsn, "users_insert"))))
        (log,) = tmp_path.glob("log*")
        logged = len(log.read_text().splitlines())
        assert count() - before == logged >= sum(each.requests for each in answer.slices)
        connection.execute(f"DELETE FROM harness.users WHERE id > {USERS}")


def test_it_does_nothing_while_a_server_has_load(database: Database, tmp_path: Path) -> None:
    async def respond(head: bytes) -> list[bytes]:
        return [answer_bytes()]

    async def run() -> Answer:
        async with serving(keep_alive(respond)) as port:
            tool = a_pgbench(tmp_path, database.dsn)
            rounds = ((0, 1), (1, 0))
            job = Job(10.0, 0.1, 0.1, 0.3, (target(port),), rounds, pgbench=tool)
            return await asyncio.wait_for(fire(job), 40)

    served, tool = uvloop.run(run()).targets
    (log,) = tmp_path.glob("log*")
    logged = transactions(log.read_text(), time.time_ns() - time.monotonic_ns())
    assert served.errors == {}
    assert served.slices
    assert tool.slices
    for each in served.slices:
        window = range(each.start_ns, each.start_ns + each.window_ns)
        assert [one for one in logged if one.ended_ns in window] == []


def test_one_that_cannot_connect_has_an_error_and_no_slices(
    database: Database, tmp_path: Path
) -> None:
    dsn = database.dsn.replace("/postgres?", "/nowhere?")
    answer = only(fired(a_job(a_pgbench(tmp_path, dsn))))
    assert answer.errors == {"database": 1}
    assert 'database "nowhere" does not exist' in answer.messages["database"]
    assert answer.slices == ()


def test_one_that_cannot_be_started_has_an_error_and_no_slices(tmp_path: Path) -> None:
    missing = PgbenchTarget("pgbench", (str(tmp_path / "pgbench"),), 1, str(tmp_path), 1.0)
    answer = only(fired(a_job(missing)))
    assert answer.messages["database"].endswith("cannot be started: No such file or directory")
    assert answer.slices == ()


def test_one_whose_backends_are_killed_has_an_error_and_no_slices(
    database: Database, tmp_path: Path
) -> None:
    name = "harness-doomed"
    dsn = database.address.dsn(name)

    async def run() -> Answer:
        async with await psycopg.AsyncConnection.connect(
            database.dsn, autocommit=True
        ) as connection:
            task = asyncio.create_task(fire(a_job(a_pgbench(tmp_path, dsn))))
            while not task.done():  # its first connection is no client's, and not missed
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = %s",
                    (name,),
                )
            return await task

    answer = only(asyncio.run(run()))
    assert answer.errors == {"database": 1}
    assert answer.messages["database"]
    assert answer.slices == ()


SECOND_NS = 1_000_000_000


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("", []),
        ("0 1 250 0 100 7\n", [Transaction(100 * SECOND_NS + 7000, 250_000)]),
        ("0 1 250 0 100 7 33 0\n", [Transaction(100 * SECOND_NS + 7000, 250_000)]),
        ("0 1 0 0 100 0\n", [Transaction(100 * SECOND_NS, 1000)]),
        ("0 1 failed 0 100 7\n", []),
        ("0 1 250 0 100 7\n1 1 300 0 10", [Transaction(100 * SECOND_NS + 7000, 250_000)]),
    ],
    ids=["empty", "a line", "with lag and retries", "at once", "failed", "unfinished"],
)
def test_a_log_is_read_as_documented(log: str, expected: list[Transaction]) -> None:
    assert transactions(log, 0) == expected


def test_a_log_is_put_on_our_clock() -> None:
    (one,) = transactions("0 1 250 0 100 0\n", 99 * SECOND_NS)
    assert one.ended_ns == SECOND_NS


@pytest.mark.parametrize(
    ("ended_ns", "latency_ns", "counts"),
    [
        (20, 5, False),  # at the opening: before it
        (21, 5, True),
        (21, 11, True),  # began with the slice
        (21, 12, False),  # was under way when the tool was stopped
        (40, 5, True),
        (41, 5, False),
    ],
)
def test_what_counts_ended_in_the_window_and_began_in_the_slice(
    ended_ns: int, latency_ns: int, counts: bool
) -> None:
    window = Window(10, Clocks(20, 0, None, None), Clocks(40, 0, None, None))
    assert bool(counted_in(window, [Transaction(ended_ns, latency_ns)])) == counts
