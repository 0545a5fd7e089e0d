"""A server of the user's own: measured in a schema of ours, and left as it was."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from harness import ceilings
from harness.database import pgbench
from harness.database.dataset import LOCK_KEY, MARKER
from tests.conftest import Database
from tests.run.conftest import (
    PASSWORD,
    Measured,
    Own,
    Said,
    as_measured,
    measured,
    owned,
)

Matrix = Callable[..., str]
Command = Callable[..., Said]

HERE = {"affinity": "off"}
"""Of a run in this process, whose CPUs are not the run's to choose."""


@dataclass(frozen=True)
class OnIt:
    """A run on it, after one that was killed, and its schemas before that one and after this."""

    measured: Measured
    before: set[object]
    after: set[object]


@pytest.fixture(scope="module")
def on_it(database: Database, tmp_path_factory: pytest.TempPathFactory) -> OnIt:
    tool = pgbench.executable(embedded=True)
    assert tool is not None
    with owned(database, "measured") as own:
        before = own.schemas()
        own.admin.execute("CREATE SCHEMA harness")
        own.admin.execute(f"COMMENT ON SCHEMA harness IS '{MARKER}'")
        own.admin.execute("CREATE TABLE harness.users (half int)")
        found = measured(
            tmp_path_factory.mktemp("own"),
            env={"PATH": str(Path(tool).parent)},
            database={"dsn": own.dsn},
            run={"ceilings": True},
        )
        return OnIt(found, before, own.schemas())


def test_a_run_on_it_leaves_no_schema_and_no_password_anywhere(on_it: OnIt) -> None:
    found = on_it.measured
    titles = [" ".join(argv) for argv in found.run.commands.values()]
    assert any("harness.load.generator" in each for each in titles)
    cells = found.rows()
    assert [cell["stack"] for cell in cells] == ["asyncpg", "noop", "pgbench", "psycopg"]
    assert all(
        float(cell["db_cpu_us"]) > 0
        for cell in cells
        if cell["stack"] not in ceilings.NAMES and as_measured(cell)
    )  # it is on this machine: seen
    assert on_it.after == on_it.before
    written = [each.read_text() for each in found.folder.iterdir()]
    said = (found.said, found.complained)
    assert not [text for text in (*said, *titles, *written) if PASSWORD in text]
    assert found.run.left() == []


def test_what_a_killed_run_left_behind_is_known_by_its_marker_and_replaced(on_it: OnIt) -> None:
    assert {cell["outcome"] for cell in on_it.measured.rows()} <= {"ok", "invalid"}
    assert "harness" not in on_it.after


def test_pgbench_of_the_path_is_run_on_it(on_it: OnIt) -> None:
    (cell,) = [each for each in on_it.measured.rows() if each["stack"] == "pgbench"]
    assert cell["outcome"] in ("ok", "invalid"), cell


def test_a_schema_of_that_name_that_is_not_ours_is_refused_and_kept(
    said: Command, matrix: Matrix, own: Own
) -> None:
    own.admin.execute("CREATE SCHEMA harness")
    own.admin.execute("CREATE TABLE harness.users AS SELECT 1 AS precious")
    refused = said(matrix(run=HERE), "--dsn", own.dsn)
    assert (refused.code, refused.out) == (3, "")
    assert "did not make" in refused.err
    assert PASSWORD not in refused.err
    assert own.admin.execute("SELECT precious FROM harness.users").fetchall() == [(1,)]


def test_a_second_run_in_the_same_database_is_refused(
    said: Command, matrix: Matrix, own: Own
) -> None:
    own.admin.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
    refused = said(matrix(run=HERE), "--dsn", own.dsn)
    assert refused.code == 3
    assert "another harness run is using this database" in refused.err


@pytest.mark.parametrize(
    ("dsn", "code", "words"),
    [
        ("postgresql://somebody:hunter2@127.0.0.1:1/nowhere", 3, "Connection refused"),
        ("mysql://somebody:hunter2@127.0.0.1/x", 2, "not a Postgres DSN"),
        ("host=127.0.0.1 port=hunter2x", 3, "database: "),
        ("postgresql://somebody:hunter2@127.0.0.1/x?options=-cjit%3Don", 2, "'options'"),
    ],
)
def test_a_dsn_that_leads_nowhere_is_one_line_without_its_password(
    said: Command, matrix: Matrix, dsn: str, code: int, words: str
) -> None:
    found = said(matrix(), "--dsn", dsn)
    assert (found.code, found.out) == (code, ""), found.err
    assert found.err.startswith("error: database")
    assert words in found.err
    assert found.err.count("\n") == 1
    assert "hunter2@" not in found.err


def test_a_role_that_may_not_create_a_schema_is_told_so(
    said: Command, matrix: Matrix, own: Own, database: Database
) -> None:
    with psycopg.connect(database.dsn, password=database.password, autocommit=True) as main:
        main.execute("ALTER DATABASE theirs OWNER TO harness")
    refused = said(matrix(run=HERE), "--dsn", own.dsn)
    assert refused.code == 3
    assert "permission denied for database theirs" in refused.err
    assert refused.err.count("\n") == 1


def test_without_pgbench_on_the_path_its_row_says_what_to_do(own: Own, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    path = {"PATH": str(tmp_path / "empty")}
    found = measured(tmp_path, "--dsn", own.dsn, env=path, run={"ceilings": True})
    cells = {each["stack"]: each for each in found.rows()}
    assert cells["pgbench"]["outcome"] == "unsupported"
    assert cells["pgbench"]["flags"] == pgbench.MISSING
    assert cells["pgbench"]["rps"] == ""
    assert cells["noop"]["outcome"] in ("ok", "invalid")


def test_its_free_connections_are_asked_for_before_anything_is_made(
    said: Command, matrix: Matrix, own: Own
) -> None:
    before = own.schemas()
    group = {"name": "g", "endpoint": ["users_get"], "pool_size": [200]}
    found = said(matrix(group=[group]), "--dsn", own.dsn)
    assert found.code == 2
    first, second = found.err.splitlines()
    assert "asyncpg needs 200 connections (1 worker x (pool of 200)), and there are" in first
    assert "max_connections 100 less 3 reserved, " in first
    assert "held by others" in first  # the tests' own
    assert "raise the server's max_connections to" in second
    assert own.schemas() == before


def test_a_plan_is_made_without_a_server_that_answers(said: Command, matrix: Matrix) -> None:
    found = said(matrix(), "--plan", "--dsn", "postgresql://somebody:hunter2@127.0.0.1:1/nowhere")
    assert found.code == 0
    assert "; 4 connections at once" in found.out
    assert found.err.endswith("its connections are not known\n")
    assert "hunter2" not in found.out + found.err
