"""What is named as changed, and what is not."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.diff.compare import compare
from harness.diff.side import Observed, Side, impossible
from tests.diff.runs import (
    BASE,
    ENDPOINTS,
    OTHERS,
    SEEDS,
    STACKS,
    STEADY,
    a_side,
    cell,
    named,
    observed,
    only,
    rows,
    simulated,
    the_matrix,
    two,
)
from tests.factories import ENVIRONMENT, some_errors


def at_rate(p99_ms: float, rps: float = 500.0) -> Side:
    """Return a side of two cells in an open loop of 500 req/s, the second one as given."""
    keys = [replace(cell(stack), rate=500.0) for stack in (BASE, "one")]
    return a_side(
        rows(keys[0], STEADY, p99_ms=10.0),
        [
            replace(row, p99_ms=p99_ms + 0.01 * row.block, rps=rps, offered_rps=500.0)
            for row in rows(keys[1], STEADY)
        ],
    )


# Simulated runs


def test_the_same_commit_twice_names_nothing_in_19_of_20_runs() -> None:
    clean = [not compare(simulated(seed), simulated(seed + 1)).named for seed in SEEDS]
    assert sum(clean) >= 0.95 * len(clean)


def test_neither_does_a_machine_of_another_speed() -> None:
    clean = [not compare(simulated(seed), simulated(seed + 1, machine=1.3)).named for seed in SEEDS]
    assert sum(clean) >= 0.95 * len(clean)


@pytest.mark.parametrize("scatter", [0.0, 0.05, 0.3])
def test_nor_does_another_scatter(scatter: float) -> None:
    clean = [
        not compare(simulated(seed, scatter=scatter), simulated(seed + 1, scatter=scatter)).named
        for seed in SEEDS[:40]
    ]
    assert sum(clean) >= 0.95 * len(clean)


def test_five_per_cent_slower_is_named_and_nothing_else() -> None:
    slower = {("two", "users_list"): 1 / 1.05}
    said = [named(compare(simulated(seed), simulated(seed + 1, slower))) for seed in SEEDS]
    assert sum(each == {("two", "users_list", "slower")} for each in said) >= 0.9 * len(said)


def test_five_per_cent_faster_is_named_and_nothing_else() -> None:
    faster = {("three", "books_list"): 1.05}
    said = [named(compare(simulated(seed), simulated(seed + 1, faster))) for seed in SEEDS]
    assert sum(each == {("three", "books_list", "faster")} for each in said) >= 0.9 * len(said)


def test_a_slower_baseline_is_named_and_the_others_are_not_blamed() -> None:
    slower = {(BASE, "users_get"): 1 / 1.05}
    said = [named(compare(simulated(seed), simulated(seed + 1, slower))) for seed in SEEDS]
    assert sum(each == {(BASE, "users_get", "slower")} for each in said) >= 0.9 * len(said)


def test_a_stack_that_is_slower_everywhere_is_named_everywhere() -> None:
    slower = {("one", str(endpoint)): 0.9 for endpoint in ENDPOINTS}
    found = named(compare(simulated(1), simulated(2, slower)))
    assert found == {("one", endpoint, "slower") for endpoint in ENDPOINTS}


def test_all_stacks_slower_alike_is_the_machine_and_names_nothing() -> None:
    factors = {(stack, str(endpoint)): 0.8 for stack in STACKS for endpoint in ENDPOINTS}
    assert not compare(simulated(1), simulated(2, factors)).named


# Verdicts


@pytest.mark.parametrize(
    ("rates", "verdict"),
    [
        ((950.0, 951.0, 949.0, 950.0), "slower"),
        ((1050.0, 1051.0, 1049.0, 1050.0), "faster"),
        ((1000.0, 1001.0, 999.0, 1002.0), "same"),
        ((985.0, 986.0, 984.0, 985.0), "same"),  # proven, and too small to matter
        ((800.0, 1250.0, 1000.0, 1100.0), "unclear"),
        ((950.0, 951.0), ""),  # min_blocks is 3
        ((950.0,), ""),
    ],
)
def test_a_verdict_wants_a_change_that_is_proven_and_matters(
    rates: Sequence[float], verdict: str
) -> None:
    assert only(compare(two(STEADY), two(rates)), "one").verdict == verdict


@pytest.mark.parametrize("side", ["a", "b"])
def test_both_sides_need_their_blocks(side: str) -> None:
    few, many = two((900.0, 901.0)), two(STEADY)
    sides = (few, many) if side == "a" else (many, few)
    found = only(compare(*sides), "one")
    assert (found.judged, found.verdict) == (False, "")
    assert found.shift is not None


def test_two_blocks_may_be_enough_where_the_matrix_says_so() -> None:
    quick = the_matrix(min_blocks=2)
    a, b = (
        a_side(rows(cell(BASE), (1000, 1000)), rows(cell("one"), rates), matrix=quick)
        for rates in ((1000, 1000), (900, 900))
    )
    assert only(compare(a, b), "one").verdict == "slower"


def test_less_cpu_is_better() -> None:
    less = [replace(row, app_cpu_us=360.0) for row in rows(cell("one"), STEADY)]
    found = compare(two(STEADY), a_side(rows(cell(BASE), STEADY), less))
    assert only(found, "one", "rps").verdict == "same"
    assert only(found, "one", "app_cpu_us").verdict == "faster"


def test_at_a_rate_the_latency_is_what_is_judged() -> None:
    found = compare(at_rate(10.0), at_rate(12.0))
    assert {each.metric for each in found.changes} == {"p99_ms", "app_cpu_us"}
    assert only(found, "one", "p99_ms").verdict == "slower"


def test_the_latency_of_a_stack_that_fell_behind_is_not_judged() -> None:
    found = compare(at_rate(10.0), at_rate(900.0, rps=480.0))
    assert only(found, "one", "p99_ms").verdict == ""
    assert only(found, "one", "app_cpu_us").verdict == "same"


@pytest.mark.parametrize("stack", [BASE, "one"])
@pytest.mark.parametrize("side", [0, 1])
def test_errors_on_either_side_are_no_verdict_on_speed(stack: str, side: int) -> None:
    bad = [
        [replace(row, by_class=some_errors(app=100)) for row in two_rows]
        if (number, name) == (side, stack)
        else two_rows
        for number, rate in enumerate((1.0, 0.8))
        for name in (BASE, "one")
        for two_rows in [rows(cell(name), [each * rate ** (name != BASE) for each in STEADY])]
    ]
    found = compare(a_side(*bad[:2]), a_side(*bad[2:]))
    assert only(found, "one").verdict == ""


def test_a_block_without_one_good_answer_is_no_ratio() -> None:
    nothing = [*rows(cell("one"), STEADY[:3]), observed(cell("one"), 4, rps=0.0, app_cpu_us=None)]
    found = only(compare(two(STEADY), a_side(rows(cell(BASE), STEADY), nothing)), "one")
    assert (found.b, found.shift, found.verdict) == (None, None, "")


def test_blocks_are_paired_with_those_of_the_baseline() -> None:
    """Half as fast in block 2, both of them: a ratio of 2 in every block."""
    drift = (1000.0, 500.0, 2000.0)
    a = a_side(rows(cell(BASE), drift), rows(cell("one"), [2 * each for each in drift]))
    found = only(compare(a, a), "one")
    assert found.a is not None
    assert math.exp(found.a.value) == pytest.approx(2.0)
    assert found.a.half_width == pytest.approx(0.0, abs=1e-12)


def test_a_block_that_only_one_has_is_left_out() -> None:
    a = a_side(rows(cell(BASE), STEADY), rows(cell("one"), (*STEADY, 9999.0)))
    found = only(compare(a, a), "one")
    assert found.a is not None
    assert found.a.n == 4


# What is compared with what


def test_cells_are_matched_by_their_whole_key() -> None:
    moved = replace(cell("one"), pool_size=20)
    found = compare(two(STEADY), a_side(rows(cell(BASE), STEADY), rows(moved, STEADY)))
    assert (found.new, found.gone) == ([moved], [cell("one")])
    assert found.changes == []


def test_nothing_in_common_is_nothing_to_compare() -> None:
    found = compare(a_side(rows(cell("one"), STEADY)), a_side(rows(cell("two"), STEADY)))
    assert (found.changes, found.failures) == ([], [])


def test_a_cell_without_a_baseline_on_both_sides_has_no_ratio_but_its_numbers() -> None:
    a = a_side(rows(cell("one"), STEADY))
    found = compare(a, a)
    assert found.changes == []
    assert {each.measure for each in found.absolutes} >= {"rps", "app_cpu_us"}


def test_another_baseline_in_b_is_the_baseline_of_both() -> None:
    stacks = ["one", BASE]
    b = two(STEADY, matrix=the_matrix(stacks))
    assert [each.key.stack for each in compare(two(STEADY), b).changes] == [BASE, BASE]


def test_a_baseline_that_b_lacks_gives_way_to_the_one_that_both_have() -> None:
    b = two(STEADY, matrix=the_matrix(["new", BASE, "one"]))
    (found, _) = compare(two(STEADY), b).changes
    assert (found.key.stack, found.baseline) == ("one", BASE)


def test_rows_of_what_is_no_stack_of_the_matrix_are_no_cells() -> None:
    a = a_side(rows(cell(BASE), STEADY), rows(cell("noop"), STEADY))
    assert list(a.cells) == [cell(BASE)]


def test_the_same_blocks_are_said_to_be_the_same() -> None:
    assert compare(two(STEADY), two(STEADY)).same_blocks
    assert not compare(two(STEADY), two(STEADY[::-1])).same_blocks


# The baseline itself


def setting(factors: Sequence[float]) -> Side:
    """Return a side of steady cells: the baseline's factor, then those of the others."""
    stacks = (BASE, *(f"s{number}" for number in range(1, len(factors))))
    many = [
        rows(cell(stack), [each * factor + 0.1 * number for each in STEADY])
        for number, (stack, factor) in enumerate(zip(stacks, factors, strict=True))
    ]
    return a_side(*many, matrix=the_matrix(stacks))


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ([0.9, 1, 1, 1], {(BASE, "slower")}),
        ([1.1, 1, 1, 1], {(BASE, "faster")}),
        ([0.9, 1, 1], {(BASE, "slower")}),
        ([0.9, 1], {("s1", "faster")}),  # of two, who is to say
        ([1, 0.9, 1], {("s1", "slower")}),
        ([1, 0.9, 0.9, 1], {("s1", "slower"), ("s2", "slower")}),
        ([1, 0.9, 0.8, 0.7], {("s1", "slower"), ("s2", "slower"), ("s3", "slower")}),
        ([0.9, 1, 1, 1, 0.8], {(BASE, "slower"), ("s4", "slower")}),
        ([0.9, 1, 1, 1, 1, 1, 1, 0.8, 1.2], {(BASE, "slower"), ("s7", "slower"), ("s8", "faster")}),
        ([1, 1, 1, 1], set()),
        ([0.98, 1, 1, 1], set()),
    ],
)
def test_who_moved_is_who_moved_against_the_others(
    factors: Sequence[float], said: set[tuple[str, str]]
) -> None:
    found = compare(setting([1] * len(factors)), setting(factors))
    in_rps = [each for each in found.named if each.metric == "rps"]
    assert {(each.key.stack, each.verdict) for each in in_rps} == said
    moved = {each.key.stack for each in found.moved}
    assert moved == ({BASE} if (BASE, "slower") in said or (BASE, "faster") in said else set())


def test_the_reference_of_a_moved_baseline_is_the_others() -> None:
    found = compare(setting([1, 1, 1, 1]), setting([0.9, 1, 1, 1]))
    assert only(found, BASE).reference == ("s1", "s2", "s3")
    assert only(found, BASE).baseline == BASE
    (shift,) = [each.shift for each in found.moved if each.metric == "rps"]
    assert shift is not None
    assert math.exp(shift.size) == pytest.approx(0.9, rel=1e-3)


# Geometric means


def test_the_mean_of_an_endpoint_is_that_of_its_changes() -> None:
    b = a_side(
        rows(cell(BASE), STEADY),
        rows(cell("one"), [2 * each for each in STEADY]),
        rows(cell("two"), [each / 8 for each in STEADY]),
    )
    a = a_side(*(rows(cell(stack), STEADY) for stack in (BASE, "one", "two")))
    found = compare(a, b).means
    assert math.exp(found["rps", "users_get"]) == pytest.approx(0.5)
    assert math.exp(found["app_cpu_us", "users_get"]) == pytest.approx(2.0)


# Absolute numbers


def test_absolute_numbers_are_compared_on_the_same_machine_only() -> None:
    other = {**ENVIRONMENT, "cpu": {"count": 2, "model": "Another"}}
    assert compare(two(STEADY), two(STEADY)).absolutes
    found = compare(two(STEADY), two(STEADY, environment=other))
    assert found.absolutes == []
    assert [each.text for each in found.obstacles] == ["cpu model A Processor -> Another"]
    assert only(found, "one").verdict == "same"


def test_memory_that_grew_is_proven() -> None:
    bigger = [replace(row, rss_peak_mib=80.0 + row.block / 10) for row in rows(cell("one"), STEADY)]
    found = compare(two(STEADY), a_side(rows(cell(BASE), STEADY), bigger))
    proven = [(each.key.stack, each.measure) for each in found.absolutes if each.proven]
    assert proven == [("one", "rss_peak_mib")]


def test_a_number_that_a_block_lacks_is_not_compared() -> None:
    b = [replace(row, p99_ms=None if row.block == 2 else 24.0) for row in rows(cell("one"), STEADY)]
    found = compare(two(STEADY), a_side(rows(cell(BASE), STEADY), b))
    assert "p99_ms" not in {each.measure for each in found.absolutes if each.key.stack == "one"}


# Failures


def failing(counts: Sequence[int]) -> Side:
    many = [
        replace(row, by_class=some_errors(timeout=count), requests=1000 - count)
        for row, count in zip(rows(cell("one"), STEADY), counts, strict=False)
    ]
    return a_side(rows(cell(BASE), STEADY), many)


@pytest.mark.parametrize(
    ("before", "after", "rose", "fell"),
    [
        ([0, 0, 0, 0], [0, 0, 0, 0], False, False),
        ([0, 0, 0, 0], [50, 51, 50, 52], True, False),
        ([50, 51, 50, 52], [0, 0, 0, 0], False, True),
        ([0, 0, 0, 0], [0, 0, 300, 0], False, False),  # one bad block may be bad luck
        ([0, 0, 0, 0], [20, 400, 100, 900], True, False),  # every block is not
        ([0, 0, 0, 0], [400, 300], True, False),
        ([5, 5, 5, 5], [5, 5, 5, 5], False, False),
        ([2, 2, 3, 2], [8, 8, 9, 8], True, False),
    ],
)
def test_errors_rose_when_chance_does_not_explain_it(
    before: list[int], after: list[int], rose: bool, fell: bool
) -> None:
    found = compare(failing(before), failing(after)).failures
    (one,) = [each for each in found if each.key.stack == "one"]
    assert (one.rose, one.fell) == (rose, fell)


@pytest.mark.parametrize("outcome", ["failed", "invalid", "unsupported"])
def test_a_cell_that_has_no_number_any_more_is_lost(outcome: str) -> None:
    b = [
        replace(row, outcome=outcome, rps=None)  # type: ignore[arg-type]
        for row in rows(cell("one"), STEADY)
    ]
    found = compare(two(STEADY), a_side(rows(cell(BASE), STEADY), b)).failures
    assert [each.key.stack for each in found if each.lost] == ["one"]
    back = compare(a_side(rows(cell(BASE), STEADY), b), two(STEADY)).failures
    assert not any(each.lost for each in back)
    assert [each.key.stack for each in back if each.changed] == ["one"]


# Whatever was observed

NUMBER = st.none() | st.just(0.0) | st.floats(1e-300, 1e15)
ROWS = st.lists(
    st.builds(
        observed,
        st.sampled_from([cell(stack) for stack in STACKS]),
        st.integers(1, 4),
        rps=NUMBER,
        app_cpu_us=NUMBER,
        rss_peak_mib=NUMBER,
        p99_ms=NUMBER,
        requests=st.integers(0, 10**9),
        by_class=st.builds(some_errors, app=st.integers(0, 10**9)),
        outcome=st.sampled_from(["ok", "failed", "invalid", "unsupported"]),
    ),
    max_size=12,
)


@settings(max_examples=200)
@given(ROWS, ROWS)
def test_no_blocks_make_nan_or_a_traceback(a: list[Observed], b: list[Observed]) -> None:
    assert not any(map(impossible, (*a, *b)))
    found = compare(a_side(a), a_side(b))
    for shift in (*(each.shift for each in found.changes), *(e.shift for e in found.absolutes)):
        if shift is not None:
            assert math.isfinite(shift.size)
            assert shift.p is None or 0 <= shift.p <= 1
    for change in found.changes:
        assert not change.verdict or change.judged


@settings(max_examples=50)
@given(ROWS)
def test_a_side_and_itself_differ_in_nothing(rows: list[Observed]) -> None:
    found = compare(a_side(rows), a_side(rows))
    assert found.same_blocks
    assert (found.named, found.new, found.gone) == ([], [], [])
    assert not any(each.changed for each in found.failures)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"rps": -1.0}, "rps: expected a number from 0 to 1e+15, got -1"),
        ({"rps": 1e300}, "rps: expected a number from 0 to 1e+15, got 1e+300"),
        ({"requests": -5}, "requests: expected a number from 0 to 1e+15, got -5"),
        ({"by_class": some_errors(app=-1)}, "err_*: expected 0 or more, got -1"),
        ({}, None),
    ],
)
def test_numbers_that_nothing_measures_are_told_apart(
    fields: dict[str, Any], why: str | None
) -> None:
    assert impossible(observed(cell(OTHERS[0]), **fields)) == why
