import pytest

from harness import preflight
from harness.database.room import Room, embedded
from tests.factories import a_matrix


def said(**sections: object) -> list[str]:
    matrix = a_matrix(**sections)
    return preflight.text(matrix, embedded(matrix.database.settings)).splitlines()


def limited(max_connections: object) -> dict[str, object]:
    return {"settings": {"max_connections": max_connections}}


def test_the_plan_names_cells_connections_and_time() -> None:
    assert said() == [
        "users_get: base, other; ceilings noop, pgbench; 30 connections of 93",
        (
            "2 cells in 1 setting; one block of each takes about 10s, "
            "so a budget of 5m gives about 20 blocks each"
        ),
    ]


def test_a_search_for_capacity_is_named_and_takes_longer() -> None:
    lines = said(group=[{"name": "g", "endpoint": ["users_get"], "slo": "p99<50ms"}])
    assert lines[0] == (
        "users_get: base, other; capacity with p99 < 50ms over at most 256 connections of load; "
        "20 connections of 93"
    )
    assert "one block of each takes about 37s" in lines[1]


@pytest.mark.parametrize(
    ("room", "end"),
    [
        (27, "20 connections of 20"),
        ("26", "20 connections of 19: one stack at a time"),
        (16, "20 connections of 9: one stack at a time"),
    ],
)
def test_too_few_connections_are_foreseen(room: object, end: str) -> None:
    line = said(database=limited(room), run={"ceilings": False})[0]
    assert line == f"users_get: base, other; {end}"


def test_the_connections_of_ceilings_are_foreseen_too() -> None:
    assert said(database=limited(27))[0].endswith("30 connections of 20: one stack at a time")


def test_a_server_that_cannot_be_asked_may_hold_any_number() -> None:
    line = preflight.text(a_matrix(), None).splitlines()[0]
    assert line.endswith("; 30 connections at once")


def test_a_stack_that_cannot_fit_alone_is_foreseen_with_the_arithmetic() -> None:
    stacks = [
        {"name": "base", "adapter": "psycopg_pool"},
        {"name": "wide", "adapter": "sqlalchemy_sync", "options": {"max_overflow": 20}},
    ]
    group = {"name": "g", "endpoint": ["users_get"], "workers": [1, 2], "pool_size": [16]}
    matrix = a_matrix(stack=stacks, group=[group], run={"ceilings": False})
    room = Room(max_connections=60, reserved=3, others=7)
    (line,) = preflight.refusals(matrix, room)
    assert line == (
        "users_get, 2 workers: wide needs 72 connections (2 workers x (pool of 16 + 20 of "
        "overflow)), and there are 46 (max_connections 60 less 3 reserved, 7 held by others and 4 "
        "for the run): raise database.settings.max_connections to 86, make pool_size, workers or "
        "max_overflow smaller, or see with --force what fails"
    )
    assert preflight.refusals(matrix, Room(86, 3, 7)) == []
    assert "\nrefused without --force: users_get, 2 workers: wide" in preflight.text(matrix, room)


def test_an_overflow_without_end_is_a_connection_for_each_request_under_way() -> None:
    wide = {"name": "wide", "adapter": "sqlalchemy_sync", "options": {"max_overflow": -1}}
    group = {"name": "g", "endpoint": ["users_get"], "concurrency": [200], "pool_size": [5]}
    (line,) = preflight.refusals(a_matrix(stack=[wide], group=[group]), embedded({}))
    assert "wide needs 200 connections (1 worker x (pool of 5 + 195 of overflow))" in line


@pytest.mark.parametrize(
    ("settings", "available"),
    [
        ({}, 93),
        ({"max_connections": "50", "superuser_reserved_connections": 1}, 45),
        ({"max_connections": 50, "reserved_connections": 6}, 37),
        ({"max_connections": 6}, 0),
        ({"superuser_reserved_connections": "many"}, 93),
    ],
)
def test_the_room_of_a_server_of_ours_is_known_from_its_settings(
    settings: dict[str, object], available: int
) -> None:
    assert embedded(settings).available == available


def test_a_run_begins_with_what_it_may_open_and_where_stacks_take_turns() -> None:
    group = {"name": "g", "endpoint": ["users_get"], "workers": [1, 4]}
    matrix = a_matrix(group=[group], run={"ceilings": False})
    assert preflight.connections_text(matrix, Room(300, 3, 0)) == (
        "connections: 80 at most, of 293 (max_connections 300 less 3 reserved and 4 for the run)"
    )
    assert preflight.connections_text(matrix, Room(60, 3, 0)) == (
        "connections: 53 at most, of 53 (max_connections 60 less 3 reserved and 4 for the run); "
        "one stack at a time in 1 of 2 settings, as they do not fit together"
    )


def test_the_plan_names_rates_and_says_when_p99_will_be_blank() -> None:
    group = {"name": "g", "endpoint": ["users_get"], "rate": [499, 500.5]}
    assert said(group=[group])[:2] == [
        (
            "users_get, 499 req/s: base, other; 20 connections of 93; "
            "about 998 requests a block, and p99 takes 1000"
        ),
        "users_get, 500.5 req/s: base, other; 20 connections of 93",
    ]


def test_a_budget_too_short_for_verdicts_is_foreseen() -> None:
    lines = said(run={"budget": "20s", "ceilings": False})
    assert lines[-2].endswith("so a budget of 20s gives about 2 blocks each")
    assert lines[-1] == (
        "that is fewer than run.min_blocks (3): no verdicts; "
        "raise run.budget, or measure less with --only"
    )
