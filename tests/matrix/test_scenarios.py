"""Every matrix that is shipped reads, plans and begins with how to run it."""

from pathlib import Path

import pytest

import harness
from harness import plan
from harness.claims import NO_CELL, judged
from harness.findings import find
from harness.matrix import read

SHIPPED = sorted((Path(harness.__file__).parent / "scenarios").glob("*.toml"))


def test_there_are_scenarios() -> None:
    assert "aa.toml" in [each.name for each in SHIPPED]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_scenario_reads_and_says_how_to_run_it(path: Path) -> None:
    assert plan.cells(read(path))
    assert f"python -m harness harness/scenarios/{path.name}" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_figure_a_scenario_claims_is_of_a_cell_it_measures(path: Path) -> None:
    matrix = read(path)
    for claim in judged(matrix, find(matrix, [])):
        assert NO_CELL not in [line.missing for line in claim.lines], claim.sentence


def test_the_aa_scenario_holds_one_stack_under_two_names() -> None:
    matrix = read(SHIPPED[0].parent / "aa.toml")
    stacks = [(each.adapter, each.lane, dict(each.options)) for each in matrix.stacks.values()]
    assert len(stacks) == 4
    assert len([each for each in stacks if stacks.count(each) == 2]) == 2
