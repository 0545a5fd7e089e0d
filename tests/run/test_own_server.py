"""A server of the user's own: measured in a schema of ours, and left as it was."""

import csv
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from harness.database import pgbench
from harness.database.dataset import LOCK_KEY, MARKER
from tests.conftest import Database
from tests.run.conftest import PASSWORD, Own, Start, as_measured

Matrix = Callable[..., str]


def test_a_run_on_it_leaves_no_schema_and_no_password_anywhere(
    start: Start, matrix: Matrix, own: Own, tmp_path: Path
) -> None:
    before = own.schemas()
    run = start(matrix(database={"dsn": own.dsn}))
    said, complained = run.measured()
    titles = [" ".join(argv) for argv in run.commands.values()]
    assert any("harness.load.generator" in each for each in titles)
    with (tmp_path / "results" / "tiny" / "cells.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert len(cells) == 2
    assert all(
        float(cell["db_cpu_us"]) > 0 for cell in cells if as_measured(cell)
    )  # it is on this machine: seen
    assert own.schemas() == before
    written = [each.read_text() for each in (tmp_path / "results" / "tiny").iterdir()]
    assert not [text for text in (said, complained, *titles, *written) if PASSWORD in text]


def test_a_schema_of_that_name_that_is_not_ours_is_refused_and_kept(
    start: Start, matrix: Matrix, own: Own
) -> None:
    own.admin.execute("CREATE SCHEMA harness")
    own.admin.execute("CREATE TABLE harness.users AS SELECT 1 AS precious")
    run = start(matrix(), "--dsn", own.dsn)
    _, complained = run.output()
    assert run.process.returncode == 3
    assert "did not make" in complained
    assert PASSWORD not in complained
    assert own.admin.execute("SELECT precious FROM harness.users").fetchall() == [(1,)]


def test_what_a_killed_run_left_behind_is_known_by_its_marker_and_replaced(
    start: Start, matrix: Matrix, own: Own
) -> None:
    own.admin.execute("CREATE SCHEMA harness")
    own.admin.execute(f"COMMENT ON SCHEMA harness IS '{MARKER}'")
    own.admin.execute("CREATE TABLE harness.users (half int)")
    run = start(matrix(), "--dsn", own.dsn)
    run.measured()
    assert "harness" not in own.schemas()


def test_a_second_run_in_the_same_database_is_refused(
    start: Start, matrix: Matrix, own: Own
) -> None:
    own.admin.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
    run = start(matrix(), "--dsn", own.dsn)
    _, complained = run.output()
    assert run.process.returncode == 3
    assert "another harness run is using this database" in complained


@pytest.mark.parametrize(
    ("dsn", "code", "said"),
    [
        ("postgresql://somebody:hunter2@127.0.0.1:1/nowhere", 3, "Connection refused"),
        ("mysql://somebody:hunter2@127.0.0.1/x", 2, "not a Postgres DSN"),
        ("host=127.0.0.1 port=hunter2x", 3, "database: "),
        ("postgresql://somebody:hunter2@127.0.0.1/x?options=-cjit%3Don", 2, "'options'"),
    ],
)
def test_a_dsn_that_leads_nowhere_is_one_line_without_its_password(
    start: Start, matrix: Matrix, tmp_path: Path, dsn: str, code: int, said: str
) -> None:
    run = start(matrix(), "--dsn", dsn)
    _, complained = run.output()
    assert run.process.returncode == code, complained
    assert complained.startswith("error: database")
    assert said in complained
    assert len(complained.splitlines()) == 1
    assert "hunter2@" not in complained
    assert "Traceback" not in complained


def test_a_role_that_may_not_create_a_schema_is_told_so(
    start: Start, matrix: Matrix, own: Own, database: Database
) -> None:
    with psycopg.connect(database.dsn, password=database.password, autocommit=True) as main:
        main.execute("ALTER DATABASE theirs OWNER TO harness")
    run = start(matrix(), "--dsn", own.dsn)
    _, complained = run.output()
    assert run.process.returncode == 3
    assert "permission denied for database theirs" in complained
    assert len(complained.splitlines()) == 1


def test_without_pgbench_on_the_path_its_row_says_what_to_do(
    start: Start, matrix: Matrix, own: Own, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    name = matrix(run={"ceilings": True})
    run = start(name, "--dsn", own.dsn, env={"PATH": str(tmp_path / "empty")})
    run.measured()
    with (tmp_path / "results" / "tiny" / "cells.csv").open(newline="") as file:
        cells = {each["stack"]: each for each in csv.DictReader(file)}
    assert cells["pgbench"]["outcome"] == "unsupported"
    assert cells["pgbench"]["flags"] == pgbench.MISSING
    assert cells["pgbench"]["rps"] == ""
    assert cells["noop"]["outcome"] in ("ok", "invalid")


def test_pgbench_of_the_path_is_run_on_it(
    start: Start, matrix: Matrix, own: Own, tmp_path: Path
) -> None:
    tool = pgbench.executable(embedded=True)
    assert tool is not None
    name = matrix(run={"ceilings": True})
    run = start(name, "--dsn", own.dsn, env={"PATH": str(Path(tool).parent)})
    run.measured()
    with (tmp_path / "results" / "tiny" / "cells.csv").open(newline="") as file:
        cells = {each["stack"]: each for each in csv.DictReader(file)}
    assert cells["pgbench"]["outcome"] in ("ok", "invalid"), cells["pgbench"]
    assert not [argv for argv in run.commands.values() if PASSWORD in " ".join(argv)]
    assert run.left() == []


def test_its_free_connections_are_asked_for_before_anything_is_made(
    start: Start, matrix: Matrix, own: Own
) -> None:
    before = own.schemas()
    group = {"name": "g", "endpoint": ["users_get"], "pool_size": [200]}
    run = start(matrix(group=[group]), "--dsn", own.dsn)
    _, complained = run.output()
    assert run.process.returncode == 2
    first, second = complained.splitlines()
    assert "asyncpg needs 200 connections (1 worker x (pool of 200)), and there are" in first
    assert "max_connections 100 less 3 reserved, " in first
    assert "held by others" in first  # the tests' own
    assert "raise the server's max_connections to" in second
    assert own.schemas() == before


def test_a_plan_is_made_without_a_server_that_answers(start: Start, matrix: Matrix) -> None:
    run = start(matrix(), "--plan", "--dsn", "postgresql://somebody:hunter2@127.0.0.1:1/nowhere")
    said, complained = run.output()
    assert run.process.returncode == 0
    assert "; 4 connections at once" in said
    assert complained.endswith("its connections are not known\n")
    assert "hunter2" not in said + complained
