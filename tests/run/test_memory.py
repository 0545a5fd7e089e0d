"""Several rounds of load on the same servers, with quiet after each, in a real run."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

from tests.run.conftest import Start, as_measured


def test_rounds_and_quiet_tell_how_memory_grows(
    start: Start, matrix: Callable[..., str], tmp_path: Path
) -> None:
    group = {"name": "g", "endpoint": ["users_get"], "concurrency": [4], "pool_size": [2]}
    run = start(
        matrix(group=[group | {"rounds": 3, "quiet": "50ms", "workers": [2]}]),
        env={"MALLOC_ARENA_MAX": "2"},
    )
    run.measured()
    folder = tmp_path / "results" / "tiny"
    with (folder / "blocks.csv").open(newline="") as file:
        blocks = list(csv.DictReader(file))
    for row in blocks:
        rounds = json.loads(row["rss_rounds"])
        answered = [each for each, _ in rounds]
        assert len(rounds) == 3
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
    with (folder / "cells.csv").open(newline="") as file:
        measured = [as_measured(cell) for cell in csv.DictReader(file)]
        if any(measured):
            assert "## Memory" in (folder / "report.md").read_text()
    assert json.loads((folder / "env.json").read_text())["malloc_arena_max"] == "2"
    assert run.left() == []
