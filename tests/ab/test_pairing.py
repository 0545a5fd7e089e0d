"""A matrix whose every stack stands twice, and what is said of such pairs."""

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from harness import matrix as matrices
from harness import plan
from harness.ab.gates import met, readable
from harness.ab.pairing import paired, with_options
from harness.errors import BadInput
from harness.findings import Findings, find
from harness.matrix import Matrix
from harness.model import Observation
from harness.results.resolved import to_toml
from harness.verdicts import verdicts
from tests.factories import a_cost, a_matrix, an_observation, some_errors

SIDES = ("HEAD~1", "v2")


def ab(**sections: Any) -> Matrix:
    return paired(a_matrix(**sections), SIDES)


def test_every_stack_stands_twice_in_a_group_of_its_own_and_the_first_side_is_the_baseline() -> (
    None
):
    found = ab(run={"baseline": "base", "ceilings": True})
    assert found.name == "m-ab"
    assert list(found.stacks) == ["base@HEAD~1", "base@v2", "other@HEAD~1", "other@v2"]
    assert [(each.name, each.stacks) for each in found.groups] == [
        ("base", ["base@HEAD~1", "base@v2"]),
        ("other", ["other@HEAD~1", "other@v2"]),
    ]
    assert [found.baseline_of(each) for each in found.groups] == ["base@HEAD~1", "other@HEAD~1"]
    assert not any(map(found.ceilings_of, found.groups))
    (one, other) = (found.stacks[name] for name in ("base@HEAD~1", "base@v2"))
    assert (one.adapter, one.lane, one.options) == (other.adapter, other.lane, other.options)
    assert {each.own_name for each in (one, other)} == {"base"}


def test_a_stack_of_several_groups_has_one_for_each() -> None:
    groups = [
        {"name": "g", "endpoint": ["users_get"]},
        {"name": "h", "endpoint": ["users_list"], "stacks": ["other"]},
    ]
    assert [each.name for each in ab(group=groups).groups] == ["base", "g.other", "h.other"]


def test_a_stack_has_no_group_where_it_could_take_part_in_no_setting() -> None:
    group = {"name": "g", "endpoint": ["users_get"], "options": {"reset": [True, False]}}
    assert [each.name for each in ab(group=[group]).groups] == ["other"]


def test_groups_whose_names_would_be_too_long_or_alike_are_refused() -> None:
    long = [{"name": "g" * 45, "endpoint": ["users_get"]}, {"name": "h", "endpoint": ["users_get"]}]
    with pytest.raises(BadInput, match="which is too long"):
        ab(group=long)
    stacks = [
        {"name": "a", "adapter": "asyncpg_pool"},
        {"name": "g.a", "adapter": "asyncpg_pool"},
    ]
    groups = [
        {"name": "g", "endpoint": ["users_get"]},
        {"name": "h", "endpoint": ["users_get"], "stacks": ["a"]},
    ]
    with pytest.raises(BadInput, match=r"called g\.a, which is another's name"):
        ab(stack=stacks, group=groups)


def test_what_is_written_of_it_reads_back_as_the_same() -> None:
    found = ab(run={"baseline": "base", "max_blocks": 5})
    read = matrices.parse(tomllib.loads(to_toml(found)), "x")
    assert read.name == "m-ab"
    assert {name: each.side for name, each in read.stacks.items()} == {
        name: each.side for name, each in found.stacks.items()
    }
    assert plan.cells(read) == plan.cells(found)


def test_each_side_has_the_options_that_its_own_code_gives_it() -> None:
    found = ab()
    options = {name: {"pool_size": 10, "n": n} for n, name in enumerate(found.stacks)}
    assert [each.options["n"] for each in with_options(found, options).stacks.values()] == [
        *(0, 1, 2, 3)
    ]


# What is said of pairs


def observed(
    matrix: Matrix, rates: Mapping[str, Sequence[float]], **fields: Any
) -> list[Observation]:
    """Return blocks with these req/s; app CPU is one core's."""
    keys = {key.stack: key for key in plan.cells(matrix)}
    return [
        an_observation(keys[name], block, rps=rate, cost=a_cost(app_cpu_us=1e6 / rate), **fields)
        for name, each in rates.items()
        for block, rate in enumerate(each, 1)
    ]


def findings(matrix: Matrix, rates: Mapping[str, Sequence[float]]) -> Findings:
    return find(matrix, observed(matrix, rates))


STEADY = (1000.0, 1002.0, 999.0, 1001.0)
RATES = {
    "base@HEAD~1": STEADY,
    "base@v2": (1100.0, 1102.0, 1098.0, 1101.0),
    "other@HEAD~1": STEADY,
    "other@v2": (800.0, 801.0, 799.0, 802.0),
}


def test_each_stack_has_a_verdict_of_its_second_side_against_its_first() -> None:
    matrix = ab()
    said = verdicts(matrix, findings(matrix, RATES))
    assert said[0].startswith("base on users_get: v2 answers 1.0997x [1.0990, 1.1004")
    assert "] as fast as HEAD~1: faster; app CPU 0.909" in said[0]
    assert said[0].endswith("]: less.")
    assert "other on users_get: v2 answers 0.800" in said[1]
    assert said[1].endswith("]: more.")
    assert said[2].startswith("Certainty: 4 of 4 cells have a number")


def test_two_sides_that_are_alike_are_a_tie_and_no_error_of_the_run() -> None:
    matrix = ab()
    found = findings(matrix, dict.fromkeys(RATES, STEADY))
    assert "as fast as HEAD~1: a tie; app CPU 1.0" in verdicts(matrix, found)[0]
    assert found.twins == []


def test_one_block_gives_no_verdict() -> None:
    matrix = ab()
    found = findings(matrix, {name: rates[:1] for name, rates in RATES.items()})
    assert verdicts(matrix, found)[0] == (
        "base on users_get: v2 answers 1.10x as fast as HEAD~1: no verdict; "
        "app CPU 0.91x: no verdict."
    )
    assert met(found, readable(["slower"])) == []


@pytest.mark.parametrize(
    ("fail_on", "lines"),
    [
        ("slower", ["req/s 0.8", "app CPU per request 1.2"]),
        ("slower:24.5%", ["req/s 0.8", "app CPU per request 1.2"]),
        ("slower:30%", []),
        ("errors", []),
    ],
)
def test_a_gate_is_met_by_what_is_slower_by_more(fail_on: str, lines: list[str]) -> None:
    matrix = ab()
    found = met(findings(matrix, RATES), readable([fail_on]))
    assert len(found) == len(lines)
    for line, start in zip(found, lines, strict=True):
        assert line.startswith(f"slower: other: users_get: other@v2: {start}")
        assert line.endswith("of other@HEAD~1")


def test_a_gate_is_met_by_errors_that_only_the_second_side_has() -> None:
    matrix = ab()
    good = observed(matrix, {name: RATES[name] for name in RATES if name != "other@v2"})
    bad = observed(matrix, {"other@v2": STEADY}, by_class=some_errors(database=500))
    (line,) = met(find(matrix, [*good, *bad]), readable(["errors"]))
    assert line == "errors: other: users_get: other@v2: 20 % of requests failed"


def test_memory_is_no_gate_of_it() -> None:
    with pytest.raises(BadInput, match="--fail-on rss: ab compares no memory"):
        readable(["slower", "rss"])
    with pytest.raises(BadInput, match="--fail-on faster: expected"):
        readable(["faster"])
