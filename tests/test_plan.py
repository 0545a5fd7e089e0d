"""What is measured, in which order."""

from collections import Counter
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import ceilings, plan
from harness.model import Stack
from tests.factories import a_key, a_matrix

AXES = {
    "name": "g",
    "endpoint": ["users_get", "users_list"],
    "concurrency": [1, 16],
    "pool_size": [5, 10],
    "workers": [1, 2],
}


def test_a_group_expands_to_the_product_of_its_axes() -> None:
    settings = plan.settings(a_matrix(group=[AXES]))
    assert len(settings) == 16
    assert len(set(settings)) == 16
    assert (settings[0].endpoint, settings[0].concurrency, settings[0].workers) == (
        "users_get",
        1,
        1,
    )


def test_a_rate_is_an_axis_and_without_one_the_loop_is_closed() -> None:
    group = {"name": "g", "endpoint": ["users_get"], "concurrency": [1, 2], "rate": [50, 0.5]}
    found = [(each.concurrency, each.rate) for each in plan.settings(a_matrix(group=[group]))]
    assert found == [(1, 50.0), (1, 0.5), (2, 50.0), (2, 0.5)]
    assert {each.rate for each in plan.settings(a_matrix(group=[AXES]))} == {None}


def test_a_distance_is_an_axis_in_milliseconds_and_without_one_there_is_none() -> None:
    group = {"name": "g", "endpoint": ["users_get"], "rtt": ["0ms", "0.7ms", "0.02s"]}
    assert [each.rtt_ms for each in plan.settings(a_matrix(group=[group]))] == [0.0, 0.7, 20.0]
    assert {each.rtt_ms for each in plan.settings(a_matrix(group=[AXES]))} == {0.0}


def test_only_list_endpoints_have_a_limit_and_its_axis() -> None:
    group = {"name": "g", "endpoint": ["users_get", "users_list", "books_list"], "limit": [1, 5]}
    found = [(each.endpoint, each.limit) for each in plan.settings(a_matrix(group=[group]))]
    lists = [(name, rows) for name in ("users_list", "books_list") for rows in (1, 5)]
    assert found == [("users_get", None), *lists]


def test_lists_have_their_documented_rows_when_none_are_named() -> None:
    group = {"name": "g", "endpoint": ["users_list", "books_list", "users_insert"]}
    found = [each.limit for each in plan.settings(a_matrix(group=[group]))]
    assert found == [100, 20, None]


def test_a_cell_is_a_stack_in_a_setting() -> None:
    matrix = a_matrix(group=[AXES, {"name": "h", "endpoint": ["users_get"], "stacks": ["other"]}])
    cells = plan.cells(matrix)
    assert len(cells) == len(set(cells)) == 2 * 16 + 1
    assert [key.stack for key in cells[:2]] == ["base", "other"]
    assert (cells[-1].group, cells[-1].stack, cells[-1].adapter) == ("h", "other", "asyncpg_pool")


def test_a_pass_gives_every_setting_one_block() -> None:
    matrix = a_matrix(group=[AXES], run={"max_blocks": 5})
    passes = list(plan.passes(matrix))
    assert [number for number, _ in passes] == [1, 2, 3, 4, 5]
    for _, order in passes:
        assert Counter(order) == Counter(plan.settings(matrix))


def test_the_order_of_passes_is_random_and_the_seeds() -> None:
    def orders(seed: int) -> list[object]:
        return list(plan.passes(a_matrix(group=[AXES], run={"seed": seed})))

    assert orders(1) == orders(1)
    assert orders(1) != orders(2)
    (_, first), (_, second) = islice(plan.passes(a_matrix(group=[AXES])), 2)
    assert first != second


@given(st.integers(1, 8), st.integers(0, 2**63 - 1), st.integers(1, 20))
def test_every_round_gives_each_stack_one_slice(stacks: int, seed: int, block: int) -> None:
    matrix = a_matrix()
    setting = plan.settings(matrix)[0]
    rounds = plan.rounds(matrix, setting, block, stacks)
    assert len(rounds) == plan.ROUNDS
    assert all(sorted(order) == list(range(stacks)) for order in rounds)


def test_every_stack_is_the_first_to_start_in_its_share_of_the_blocks() -> None:
    matrix = a_matrix()
    setting = plan.settings(matrix)[0]
    stacks = plan.stacks(matrix, setting)
    orders = [plan.starts(matrix, setting, block, stacks) for block in range(400)]
    assert all(
        sorted(each.name for each in order) == sorted(each.name for each in stacks)
        for order in orders
    )
    first = Counter(order[0].name for order in orders)
    assert all(abs(first[each.name] - 400 / len(stacks)) < 60 for each in stacks)
    assert plan.starts(matrix, setting, 7, stacks) == orders[7]


def test_rounds_are_those_of_their_seed_setting_and_block() -> None:
    matrix = a_matrix(group=[AXES])
    one, other = plan.settings(matrix)[:2]
    rounds = plan.rounds(matrix, one, 1, 4)
    assert plan.rounds(matrix, one, 1, 4) == rounds
    assert plan.rounds(matrix, other, 1, 4) != rounds
    assert plan.rounds(matrix, one, 2, 4) != rounds
    assert plan.rounds(a_matrix(run={"seed": 2}), one, 1, 4) != rounds


def test_no_stack_is_favoured_by_its_place_in_a_round() -> None:
    matrix = a_matrix()
    setting = plan.settings(matrix)[0]
    firsts = Counter(
        order[0] for block in range(50) for order in plan.rounds(matrix, setting, block, 4)
    )
    assert all(abs(count / (50 * plan.ROUNDS) - 0.25) < 0.04 for count in firsts.values())


def a_stack(**options: object) -> Stack:
    return Stack("s", "sqlalchemy_sync", "idiomatic", options)


def test_a_stack_may_open_its_pool_and_its_overflow_in_every_worker() -> None:
    setting = a_key(pool_size=10, workers=3).setting
    assert plan.connections(a_stack(), setting) == 30
    assert plan.connections(a_stack(max_overflow=5), setting) == 45


@pytest.mark.parametrize(("concurrency", "most"), [(4, 30), (16, 48)])
def test_an_overflow_without_end_opens_one_connection_a_request(
    concurrency: int, most: int
) -> None:
    setting = a_key(pool_size=10, workers=3, concurrency=concurrency).setting
    assert plan.connections(a_stack(max_overflow=-1), setting) == most


@pytest.mark.parametrize(
    ("available", "schedule"), [(40, "interleaved"), (30, "interleaved"), (29, "sequential")]
)
def test_stacks_that_cannot_all_connect_run_one_at_a_time(available: int, schedule: str) -> None:
    setting = a_key(pool_size=10).setting
    stacks = [a_stack(), a_stack(max_overflow=10)]
    assert plan.schedule(a_matrix(), setting, stacks, available) == schedule


def test_a_sequential_run_is_sequential_however_much_room_there_is() -> None:
    matrix = a_matrix(run={"schedule": "sequential"})
    assert plan.schedule(matrix, a_key().setting, [a_stack()], 1000) == "sequential"


def test_a_block_of_rounds_takes_its_load_and_its_quiet_each_time() -> None:
    group = {"name": "g", "endpoint": ["users_get"], "rounds": 4, "quiet": "60s"}
    matrix = a_matrix(group=[group], run={"ceilings": False})
    assert plan.block_s(matrix, plan.settings(matrix)[0], 3.0) == 4 * (2 * 3 + 60) + 3


def test_a_block_takes_its_load_and_its_overhead() -> None:
    matrix = a_matrix(run={"warmup": "1s", "measure": "2s", "ceilings": False})
    assert plan.block_s(matrix, plan.settings(matrix)[0], 3.0) == 2 * 3 + 3


def test_each_ceiling_takes_a_quarter_of_a_stack() -> None:
    matrix = a_matrix(run={"warmup": "1s", "measure": "2s"})
    assert plan.block_s(matrix, plan.settings(matrix)[0], 3.0) == 2.5 * 3 + 3


@pytest.mark.parametrize("asked", [{"rate": [100]}, {"slo": "p99<50ms"}])
def test_load_that_asks_for_less_than_can_be_had_has_no_ceilings(asked: dict[str, Any]) -> None:
    matrix = a_matrix(group=[{"name": "g", "endpoint": ["users_get"], **asked}])
    assert plan.ceilings(matrix) == []


def test_a_ceiling_is_a_cell_of_every_setting_beside_those_of_stacks() -> None:
    matrix = a_matrix(group=[AXES])
    beside = plan.ceilings(matrix)
    assert [key.setting for key in beside[::2]] == plan.settings(matrix)
    assert {(key.stack, key.adapter, key.lane) for key in beside} == {
        ("noop", "noop", "matched"),
        ("pgbench", "pgbench", "matched"),
    }
    assert not set(beside) & set(plan.cells(matrix))
    assert plan.ceilings(a_matrix(group=[AXES], run={"ceilings": False})) == []


def test_pgbench_holds_as_many_connections_as_a_pool_and_noop_none() -> None:
    setting = a_key(pool_size=10, workers=3).setting
    assert plan.connections(ceilings.PGBENCH, setting) == 30
    assert plan.connections(ceilings.NOOP, setting) == 0


@pytest.mark.parametrize(("measure", "search_s"), [("2s", 16), ("500ms", 8)])
def test_a_block_that_searches_takes_several_times_its_measuring(
    measure: str, search_s: float
) -> None:
    group = {"name": "g", "endpoint": ["users_get"], "slo": "p99<50ms"}
    matrix = a_matrix(run={"warmup": "1s", "measure": measure}, group=[group])
    assert plan.block_s(matrix, plan.settings(matrix)[0], 3.0) == 2 * (1 + search_s) + 3


def test_the_setting_gives_the_pool_its_size() -> None:
    options = plan.options(a_stack(pool_size=10, threads=40), a_key(pool_size=7).setting)
    assert options == {"pool_size": 7, "threads": 40}
