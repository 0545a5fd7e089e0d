"""A group with an SLO, with real servers, a real database and real load."""

import csv
from collections.abc import Callable
from pathlib import Path

from harness import probes
from harness.results.rebuild import rebuild
from tests.run.conftest import Start, as_measured

Matrix = Callable[..., str]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_search_ends_with_a_capacity_or_with_the_reason_why_there_is_none(
    start: Start, matrix: Matrix, tmp_path: Path
) -> None:
    shared = {"endpoint": ["users_get"], "pool_size": [2]}
    groups = [
        {"name": "easy", "slo": "p90 < 8s", "concurrency": [6], **shared},
        {"name": "hopeless", "slo": "p50 < 0.001ms", **shared},
    ]
    run = start(matrix(group=groups))
    run.measured()
    folder = tmp_path / "results" / "tiny"
    cells = {(row["group"], row["stack"]): row for row in rows(folder / "cells.csv")}
    for stack in ("asyncpg", "psycopg"):
        easy, hopeless = cells["easy", stack], cells["hopeless", stack]
        assert (easy["concurrency"], hopeless["concurrency"]) == ("6", "256")
        assert hopeless["outcome"] == "failed"
        assert "at 1 connection, asked for < 0.001ms" in hopeless["flags"]
        assert (hopeless["rps"], hopeless["capacity_rps"], hopeless["requests"]) == ("", "", "0")
        if as_measured(easy):
            assert easy["capacity_limit"] == "connections"  # nothing is slow enough to break it
            assert 1 <= int(easy["capacity_concurrency"]) <= 6
            assert [easy[f"capacity_{name}"] for name in ("rps", "rps_lo", "rps_hi")] == [
                easy[name] for name in ("rps", "rps_lo", "rps_hi")
            ]
    for row in rows(folder / "blocks.csv"):
        tried = probes.decode(row["capacity_probes"])
        assert tried[0].concurrency == 1
        if row["outcome"] == "ok":
            assert str(tried[-1].concurrency) == row["capacity_concurrency"]
            assert tried[-1].kept
    report = (folder / "report.md").read_text()
    assert "capacity with `p90 < 8s` over at most 6 connections" in report
    assert run.left() == []

    before = {each.name: each.read_bytes() for each in folder.rglob("*.*")}
    rebuild(folder)
    assert {each.name: each.read_bytes() for each in folder.rglob("*.*")} == before
