"""A group whose database is put at a distance, with real servers, database and load."""

import csv
from collections.abc import Callable
from pathlib import Path

from tests.run.conftest import Start, as_measured

Matrix = Callable[..., str]
GONE_WITHIN_S = 5.0


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def far(rtt: str) -> list[dict[str, object]]:
    group: dict[str, object] = {
        "name": "g",
        "endpoint": ["users_get"],
        "concurrency": [2],
        "pool_size": [2],
    }
    return [group | {"rtt": [rtt], "stacks": ["asyncpg"]}]


def test_a_stack_and_pgbench_work_through_a_relay_and_noop_does_not(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    run = start(matrix(group=far("5ms"), run={"ceilings": True}))
    _, complained = run.measured()
    assert "users_get, 5 ms away" in complained
    folder = tmp_path / "results" / "tiny"
    for cell in rows(folder / "cells.csv"):
        assert cell["rtt_ms"] == "5"
        if cell["stack"] == "noop":
            assert (cell["rtt_measured_ms"], cell["rtt_loaded_ms"]) == ("", "")
        elif as_measured(cell):
            assert float(cell["rtt_measured_ms"]) > 0
            assert cell["rtt_loaded_ms"] != ""  # or nothing went through in the load
    assert "database 5 ms away" in (folder / "report.md").read_text()
    assert any("harness.distance.relay" in argv for argv in run.commands.values())
    assert run.left() == []


def test_a_killed_runner_leaves_no_relay(start: Start, matrix: Matrix) -> None:
    run = start(matrix(group=far("1ms"), run={"max_blocks": 20, "measure": "2s"}))
    run.until(lambda: run.runs("harness.distance.relay"), "a relay")
    run.process.kill()
    run.process.wait()
    assert run.left(within_s=GONE_WITHIN_S) == []
