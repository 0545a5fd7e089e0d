"""Stacks of two workers, over several rounds of load with quiet after each, in a real run."""

import json

import pytest

from tests.run.conftest import Measured, as_measured, measured

LAST_STATEMENTS = {"asyncpg": "RESET", "sync": "ROLLBACK"}
"""What each library sends last of all, whatever was asked."""


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    shape = {"concurrency": [6], "pool_size": [2], "workers": [2], "rounds": 3, "quiet": "50ms"}
    return measured(
        tmp_path_factory.mktemp("workers"),
        env={"MALLOC_ARENA_MAX": "2"},
        stack=[
            {"name": "asyncpg", "adapter": "asyncpg_pool"},
            {"name": "sync", "adapter": "sqlalchemy_sync", "options": {"max_overflow": 0}},
        ],
        group=[{"name": "g", "endpoint": ["users_get"], **shape}],
    )


def test_rounds_and_quiet_tell_how_memory_grows(rounds: Measured) -> None:
    for row in rounds.rows("blocks.csv"):
        told = json.loads(row["rss_rounds"])
        answered = [each for each, _ in told]
        assert len(told) == 3
        assert answered == sorted(set(answered))  # more with every round
        assert float(row["rss_quiet_mib"]) > 0
        low, slope, high = (
            float(row[name])
            for name in ("rss_growth_lo", "rss_growth_kib_per_1000", "rss_growth_hi")
        )
        assert low <= slope <= high
        workers = [float(each) for each in row["rss_per_worker"].split("/")]
        assert len(workers) == 2
        # The whole tree is Granian's own process and the workers.
        assert sum(workers) < float(row["rss_end_mib"])
    measured_cells = [as_measured(cell) for cell in rounds.rows()]
    if any(measured_cells):
        assert "## Memory" in (rounds.folder / "report.md").read_text()
    environment = json.loads((rounds.folder / "env.json").read_text())
    assert environment["malloc_arena_max"] == "2"


def test_what_connections_did_is_seen_of_every_stack_and_worker(rounds: Measured) -> None:
    cells = rounds.rows()
    for cell in cells:
        if not as_measured(cell):
            continue
        assert sum(map(int, cell["worker_split"].split("/"))) == 6
        assert cell["connections"] == "4"
        assert 0 <= int(cell["connections_idle_in_transaction"]) <= 4
        assert 1 <= int(cell["connections_idle"]) <= 4
        assert 0 < float(cell["pool_wait_mean_ms"]) < 1000 * 2  # run.timeout
        assert float(cell["pool_wait_p99_ms"]) > 0
        assert cell["last_statement"].startswith(LAST_STATEMENTS[cell["stack"]])
    report = (rounds.folder / "report.md").read_text()
    assert "## Connections" in report or not any(each["outcome"] == "ok" for each in cells)


def test_two_workers_of_two_stacks_leave_nothing(rounds: Measured) -> None:
    assert rounds.run.left() == []
