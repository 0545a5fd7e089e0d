"""CI's judgement of a quick run: strict on bookkeeping, deaf to a busy machine."""

import runpy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import plan
from harness.ceilings import what_applies
from harness.environment import to_json
from harness.findings import find
from harness.matrix import Matrix
from harness.model import Connections, ConnectionsBlock, Observation
from harness.results import render
from harness.results.resolved import to_toml
from harness.results.store import opened
from tests.factories import ENVIRONMENT, a_cost, a_matrix, an_observation, some_errors

TOP = Path(__file__).parents[2]
MATRIX = a_matrix(run={"plots": False})
complaints: Callable[[Matrix, Path], Iterator[str]]
unlike_its_blocks: Callable[[Path], list[str]]
complaints, unlike_its_blocks = (
    runpy.run_path(str(TOP / ".ci/check_results.py"))[name]
    for name in ("complaints", "unlike_its_blocks")
)


SEEN = ConnectionsBlock(Connections(4, 6, 1), pool_waits=an_observation().latencies)


def rows(**of_the_first: Any) -> list[Observation]:
    first, *others = (an_observation(key, connections=SEEN) for key in plan.cells(MATRIX))
    noop, pgbench = (what_applies(an_observation(key)) for key in plan.ceilings(MATRIX))
    beside = [noop, replace(pgbench, connections=replace(SEEN, pool_waits=""))]
    return [replace(first, **of_the_first), *others, *beside]


def written(folder: Path, observations: Sequence[Observation]) -> Path:
    with opened(folder) as store:
        store.record(observations)
        store.write(render.files(MATRIX, find(MATRIX, store.observations), ENVIRONMENT))
        store.write({"env.json": to_json(ENVIRONMENT), "matrix.toml": to_toml(MATRIX)})
    return folder


def said(folder: Path) -> str:
    return "\n".join(complaints(MATRIX, folder))


def test_a_whole_run_is_not_complained_of(tmp_path: Path) -> None:
    assert said(written(tmp_path, rows())) == ""


@pytest.mark.parametrize("reason", ["littles_law", "generator; littles_law", "lag"])
def test_a_cell_that_a_busy_machine_made_invalid_is_not_complained_of(
    tmp_path: Path, reason: str
) -> None:
    assert said(written(tmp_path, rows(outcome="invalid", reason=reason))) == ""


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"outcome": "failed", "reason": "no start"}, "block 1: failed: no start"),
        ({"outcome": "unsupported", "reason": "no"}, "block 1: unsupported: no"),
        ({"outcome": "invalid", "reason": "same_answer: /users"}, "same_answer: /users"),
        ({"by_class": some_errors(reset=2)}, "2 requests failed: reset"),
        ({"cost": a_cost(db_cpu_us=None)}, "nothing in db_cpu_us"),
    ],
)
def test_what_no_machine_excuses_is_named(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    assert complaint in said(written(tmp_path, rows(**change)))


def test_a_cell_without_a_row_is_named(tmp_path: Path) -> None:
    assert (
        said(written(tmp_path, rows()[1:])) == "g users_get base: 0 rows in cells.csv, expected 1"
    )


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (written(tmp_path, rows()) / "env.json").unlink()
    assert said(tmp_path) == "env.json: missing"


def test_a_file_that_was_never_finished_is_named(tmp_path: Path) -> None:
    (written(tmp_path, rows()) / ".cells.csv.x7").touch()
    assert said(tmp_path) == ".cells.csv.x7: left half-written"


def test_a_table_cut_short_counts_as_no_cells(tmp_path: Path) -> None:
    cells = written(tmp_path, rows()) / "cells.csv"
    cells.write_text(cells.read_text()[:-3])
    assert "base: 0 rows in cells.csv" in said(tmp_path)


def test_a_report_that_does_not_follow_from_its_blocks_is_named(tmp_path: Path) -> None:
    report = written(tmp_path, rows()) / "report.md"
    report.write_text(report.read_text() + "and a line by hand\n")
    assert unlike_its_blocks(tmp_path) == ["report.md"]
