"""A group whose database is put at a distance, with real servers, database and load."""

from pathlib import Path

from tests.run.conftest import as_measured, measured

FAR = {
    "name": "g",
    "endpoint": ["users_get"],
    "concurrency": [2],
    "pool_size": [2],
    "rtt": ["5ms"],
    "stacks": ["asyncpg"],
}


def test_a_stack_and_pgbench_work_through_a_relay_and_noop_does_not(tmp_path: Path) -> None:
    far = measured(tmp_path, group=[FAR], run={"ceilings": True})
    assert "users_get, 5 ms away" in far.complained
    for cell in far.rows():
        assert cell["rtt_ms"] == "5"
        if cell["stack"] == "noop":
            assert (cell["rtt_measured_ms"], cell["rtt_loaded_ms"]) == ("", "")
        elif as_measured(cell):
            assert float(cell["rtt_measured_ms"]) > 0
            assert cell["rtt_loaded_ms"] != ""  # or nothing went through in the load
    assert "database 5 ms away" in (far.folder / "report.md").read_text()
    assert any("harness.distance.relay" in argv for argv in far.run.commands.values())
    assert far.run.left() == []
