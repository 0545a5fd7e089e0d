"""Ceilings beside the stacks, with the real tool, servers and database."""

from dataclasses import dataclass

import pytest
import tomli_w

from tests.run.conftest import (
    BY_NOISE,
    CAPACITY,
    DISTANCE,
    MEMORY,
    OPEN_LOOP,
    WIRE,
    Measured,
    document,
    starting,
)

WAITS = {"pool_wait_mean_ms", "pool_wait_p99_ms"}
STATES = {"connections_active", "connections_idle", "connections_idle_in_transaction"}
EMPTY = {
    "noop": {"db_cpu_us", "db_pss_mib", "connections", *STATES, *WAITS},
    "pgbench": {
        *("app_cpu_us", "rss_idle_mib", "rss_end_mib", "rss_peak_mib", "pss_end_mib"),
        *("db_pss_mib", "littles_law", "rss_per_worker", *WAITS),
    },
}
"""What does not apply."""


@dataclass(frozen=True)
class Beside:
    """A run with ceilings, and the password that its pgbench was given."""

    measured: Measured
    password: str


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Beside:
    home = tmp_path_factory.mktemp("ceilings")
    endpoints = ["users_insert", "books_list"]
    group = {"name": "g", "endpoint": endpoints, "concurrency": [4], "pool_size": [3]}
    matrix = document(group=[group], run={"ceilings": True})
    (home / "tiny.toml").write_text(tomli_w.dumps(matrix))
    with starting(home) as start:
        run = start("tiny.toml")
        run.until(lambda: run.runs("--protocol=prepared"), "pgbench")
        (tool,) = (each for each, argv in run.commands.items() if "--protocol=prepared" in argv)
        password = tool.environ()["PGPASSWORD"]
        return Beside(Measured(run, *run.measured(), home / "results" / "tiny"), password)


def test_both_are_measured_beside_the_stacks_and_leave_nothing(beside: Beside) -> None:
    found = beside.measured
    cells = found.rows()
    assert {each["stack"] for each in cells} == {"asyncpg", "psycopg", "noop", "pgbench"}
    assert len(cells) == 2 * 4
    for cell in cells:
        if cell["stack"] not in EMPTY:
            continue
        assert (cell["adapter"], cell["lane"]) == (cell["stack"], "matched")
        assert cell["errors"] == "0"
        if cell["outcome"] != "ok":  # by noise alone
            assert any(BY_NOISE.match(each) for each in cell["flags"].split("; ")), cell
            continue
        may = {"limit", "rate", "options", "rps_lo", "rps_hi", "p99_ms", "flags"}
        may |= OPEN_LOOP | CAPACITY | DISTANCE | WIRE | MEMORY | {"worker_split", "last_statement"}
        assert {k for k, v in cell.items() if v == ""} - may == EMPTY[cell["stack"]], cell
        assert cell["stack"] == "noop" or cell["connections"] == "3"
    pairs = found.rows("pairs.csv")
    assert {each["stack"] for each in pairs} | {each["baseline"] for each in pairs} == {
        "asyncpg",
        "psycopg",
    }
    assert "noop" not in found.said
    assert "pgbench" not in found.said
    assert "| *noop* |" in (found.folder / "report.md").read_text()
    assert "ceiling pgbench: " in found.complained
    assert found.run.left() == []


def test_the_password_of_pgbench_is_on_no_command_line(beside: Beside) -> None:
    commands = beside.measured.run.commands.values()
    assert beside.password
    assert not [argv for argv in commands if beside.password in " ".join(argv)]
