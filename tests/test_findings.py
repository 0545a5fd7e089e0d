"""What a run found, and how it is put."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from harness.findings import Findings, find, find_in, precise
from harness.matrix import Matrix
from harness.model import Key, Observation
from harness.naming import setting_text
from harness.observation import unmeasured
from harness.sentences import ratio_text, sentences
from tests.factories import a_cost, a_key, a_matrix, an_observation, blocks, some_errors

BASE = a_key()
OTHER = a_key(stack="other", adapter="asyncpg_pool")
MATRIX = a_matrix()


def third(*rates: float) -> list[Observation]:
    return blocks(rates, a_key(stack="third"))


THREE = a_matrix(
    stack=[
        {"name": "base", "adapter": "psycopg_pool"},
        {"name": "other", "adapter": "asyncpg_pool"},
        {"name": "third", "adapter": "psycopg_pool"},
    ]
)


def found(*rows: Observation, matrix: Matrix = MATRIX) -> Findings:
    return find(matrix, rows)


def is_precise(*rows: Observation, matrix: Matrix = MATRIX) -> bool:
    return precise(matrix, find_in(matrix, BASE.setting, rows))


def pair_of(base: Sequence[float | None], other: Sequence[float | None]) -> list[Observation]:
    return [*blocks(base), *blocks(other, OTHER)]


FOUR = pair_of([100.0, 110.0], [150.0, 160.0])


def test_findings_that_grow_block_by_block_are_those_of_all_observations() -> None:
    matrix = a_matrix(group=[{"name": "g", "endpoint": ["users_get", "users_insert"]}])
    inserts = [replace(row, key=replace(row.key, endpoint="users_insert")) for row in FOUR]
    growing = find(matrix, [])
    for rows in (inserts[:2], FOUR, inserts):
        setting = rows[0].key.setting
        growing = growing.having(setting, find_in(matrix, setting, rows))
    assert growing == find(matrix, [*inserts, *FOUR])
    assert [each.endpoint for each in growing.settings] == ["users_get", "users_insert"]


# One stack under two names


def test_two_names_of_one_stack_are_compared_whoever_is_the_baseline() -> None:
    rows = [*pair_of([100.0, 100.0], [50.0, 50.0]), *third(110.0, 90.0)]
    (twins,) = found(*rows, matrix=THREE).twins
    assert (twins.one.stack, twins.other.stack) == ("base", "third")
    ratio = twins.ratios["rps"]
    assert ratio.mean == pytest.approx((1.1 * 0.9) ** 0.5)
    assert ratio.lo is not None
    assert ratio.lo < 1


def test_stacks_that_differ_in_an_option_are_not_two_names_of_one() -> None:
    stacks = [
        {"name": "base", "adapter": "psycopg_pool"},
        {"name": "other", "adapter": "asyncpg_pool"},
        {"name": "third", "adapter": "psycopg_pool", "options": {"pool_timeout": 1.0}},
    ]
    rows = [*pair_of([100.0], [50.0]), *third(110.0)]
    assert found(*rows, matrix=a_matrix(stack=stacks)).twins == []


# Finding


def test_cells_are_in_the_matrixs_order_however_they_were_measured() -> None:
    rows = pair_of([100.0], [100.0])
    assert list(found(*rows[::-1]).summaries) == [BASE, OTHER]


def test_nothing_measured_is_nothing_found() -> None:
    nothing = found()
    assert (nothing.settings, nothing.summaries, nothing.comparisons) == ([], {}, {})
    assert sentences(nothing) == [
        "No two stacks can be compared yet.",
        "Certainty: 0 of 0 cells have a number.",
    ]


def test_the_first_message_of_each_class_is_kept() -> None:
    def row(block: int, **messages: str) -> Observation:
        errors = some_errors(**dict.fromkeys(messages, 1))
        return an_observation(BASE, block, by_class=errors, first_errors=json.dumps(messages))

    rows = [row(2, app="later", timeout="slow"), row(1, app="sooner")]
    assert found(*rows).first_errors == {BASE: {"app": "sooner", "timeout": "slow"}}


def test_messages_are_those_of_the_errors_that_are_counted() -> None:
    bad = an_observation(
        BASE,
        1,
        outcome="invalid",
        reason="window",
        by_class=some_errors(app=5),
        first_errors='{"app":"boom"}',
    )
    assert found(bad).first_errors == {BASE: {"app": "boom"}}
    assert found(bad, an_observation(BASE, 2)).first_errors == {}


# Precision


@pytest.mark.parametrize(
    ("base", "other", "enough"),
    [
        ([100.0] * 3, [120.0] * 3, True),
        ([100.0] * 2, [120.0] * 2, False),  # under min_blocks
        ([100.0, 200.0, 300.0], [120.0, 240.0, 360.0], True),  # the ratio counts, not the rate
        ([100.0, 100.0, 100.0], [120.0, 125.0, 130.0], False),
        ([100.0] * 3, [None] * 3, True),  # nothing more to learn of it
        ([None] * 3, [120.0] * 3, True),  # no ratio to be had: its own rate is known
        ([None] * 3, [120.0, 150.0, 190.0], False),
        ([0.0] * 3, [120.0] * 3, True),
        ([100.0, 200.0, 300.0], [None] * 3, False),
        ([None] * 3, [None] * 3, True),
    ],
)
def test_a_setting_is_done_when_its_ratios_are_known(
    base: list[float | None], other: list[float | None], enough: bool
) -> None:
    assert is_precise(*pair_of(base, other)) == enough


def test_a_setting_without_a_block_is_not_done() -> None:
    assert not is_precise()


def test_a_block_that_noise_made_invalid_is_no_reason_to_stop_and_one_that_failed_is() -> None:
    lost = [an_observation(key, outcome="invalid", reason="lag") for key in (BASE, OTHER)]
    failed = [unmeasured(key, 1, "interleaved", "failed", "no start") for key in (BASE, OTHER)]
    assert not is_precise(*lost)
    assert is_precise(*failed)


def test_a_stack_alone_is_done_when_its_rate_is_known() -> None:
    alone = a_matrix(stack=[{"name": "base", "adapter": "psycopg_pool"}])
    assert is_precise(*blocks([100.0, 100.5, 100.0]), matrix=alone)
    assert not is_precise(*blocks([100.0, 120.0, 100.0]), matrix=alone)


# Words


@pytest.mark.parametrize(
    ("ratio", "lo", "hi", "text"),
    [
        (1.3333, None, None, "1.33x"),
        (1.3333, 1.30, 1.36, "1.333x [1.300, 1.360]"),
        (1.3333, 1.0, 1.6, "1.33x [1.00, 1.60]"),
        (1.3333, 1.33329, 1.33331, "1.3333x [1.3333, 1.3333]"),
        (2.0, 2.0, 2.0, "2.0000x [2.0000, 2.0000]"),
        (1.0, 0.001, 900.0, "1.00x [0.00, 900.00]"),
    ],
)
def test_a_ratio_has_the_digits_its_interval_supports(
    ratio: float, lo: float | None, hi: float | None, text: str
) -> None:
    assert ratio_text(ratio, lo, hi) == text


def test_a_setting_is_named_by_what_differs() -> None:
    one = a_key().setting
    more = replace(one, concurrency=64)
    listed = replace(one, endpoint="users_list", limit=100)
    elsewhere = replace(one, group="h")
    assert setting_text(one, [one, listed]) == "users_get"
    assert setting_text(one, [one, more]) == "users_get, 16 connections"
    assert setting_text(listed, [one, more, listed]) == "users_list"
    assert setting_text(listed, [listed, replace(listed, limit=5)]) == "users_list, 100 rows"
    assert setting_text(elsewhere, [one, elsewhere]) == "h: users_get"


def test_a_rate_is_always_said_and_its_absence_where_others_have_one() -> None:
    closed = a_key().setting
    slow, fast = replace(closed, rate=50.0), replace(closed, rate=12500.5)
    assert setting_text(slow, [slow]) == "users_get, 50 req/s"
    assert setting_text(fast, [slow, fast]) == "users_get, 12500.5 req/s"
    assert setting_text(closed, [closed, slow]) == "users_get, closed loop"


def test_a_distance_is_always_said_and_its_absence_where_others_have_one() -> None:
    near = a_key().setting
    far = replace(near, rtt_ms=0.5)
    assert setting_text(far, [far]) == "users_get, 0.5 ms away"
    assert setting_text(near, [near]) == "users_get"
    assert setting_text(near, [near, far]) == "users_get, 0 ms away"


def speed(*rows: Observation, matrix: Matrix = THREE) -> str:
    return sentences(found(*rows, matrix=matrix))[0]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ([120.0] * 3, "other answers users_get 1.2000x [1.2000, 1.2000] as fast as base"),
        ([80.0] * 3, "base leads users_get (other 0.8000x [0.8000, 0.8000])"),
        ([100.0] * 3, "users_get is a tie between other and base (1.0000x [1.0000, 1.0000])"),
        ([80.0, 100.0, 125.0], "users_get is unclear between other and base (1.00x [0.57, 1.74])"),
    ],
)
def test_the_first_sentence_says_who_is_fastest(other: list[float], said: str) -> None:
    assert speed(*pair_of([100.0] * 3, other)) == f"Speed: {said}."


def test_a_larger_ratio_that_is_unclear_does_not_hide_a_sure_one() -> None:
    rows = pair_of([100.0] * 3, [120.0] * 3)
    said = speed(*rows, *third(80.0, 150.0, 260.0))
    assert said.startswith("Speed: other answers users_get 1.2000x")


def test_too_few_blocks_are_said_so() -> None:
    other_leads = pair_of([100.0], [200.0])
    assert speed(*other_leads) == "Speed: so far other answers users_get 2.00x as fast as base."
    base_leads = pair_of([200.0], [100.0])
    assert speed(*base_leads) == "Speed: so far base leads users_get (other 0.50x)."


def test_the_speed_of_a_cell_of_errors_is_not_spoken_of() -> None:
    base, other = pair_of([100.0], [200.0])
    failing = replace(other, by_class=some_errors(timeout=other.requests))
    assert speed(base, failing) == "No two stacks can be compared yet."


def cost_row(key: Key, app_cpu_us: float | None, block: int) -> Observation:
    return an_observation(key, block, cost=a_cost(app_cpu_us=app_cpu_us))


def test_the_second_sentence_says_who_is_cheapest() -> None:
    rows = [cost_row(key, us, n) for key, us in ((BASE, 400.0), (OTHER, 300.0)) for n in (1, 2, 3)]
    assert sentences(found(*rows))[1] == (
        "Least app CPU: other on users_get (300 us a request, 0.75x that of base)."
    )


def test_cpu_that_could_not_be_read_is_not_spoken_of() -> None:
    rows = [cost_row(BASE, None, 1), cost_row(OTHER, None, 1)]
    assert [each.split(":")[0] for each in sentences(found(*rows))][1:] == ["Certainty"]


def test_the_last_sentence_says_how_sure() -> None:
    rows = [
        *blocks([80.0, 100.0, 125.0]),
        *blocks([100.0] * 3, OTHER),
        unmeasured(a_key(stack="third"), 1, "interleaved", "failed", "no start"),
    ]
    flagged = [replace(row, flags="drift") if row.key == OTHER else row for row in rows]
    assert sentences(found(*flagged, matrix=THREE))[-1] == (
        "Certainty: 2 of 3 cells have a number, from 3 blocks each; "
        "without one: third on users_get; 1 of 4 ratios are still unclear; "
        "1 carry a doubt, named beside them in the report."
    )


def test_one_block_each_is_said_to_be_little() -> None:
    said = sentences(found(*pair_of([100.0], [200.0])))[-1]
    assert said.endswith("with one block each there are no intervals: run longer for those.")
