import pytest

from harness import preflight
from tests.factories import a_matrix


def said(**sections: object) -> list[str]:
    return preflight.text(a_matrix(**sections)).splitlines()


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
        (16, "base needs 10 connections of 9: it will be refused some"),
    ],
)
def test_too_few_connections_are_foreseen(room: object, end: str) -> None:
    line = said(database=limited(room), run={"ceilings": False})[0]
    assert line == f"users_get: base, other; {end}"


def test_the_connections_of_ceilings_are_foreseen_too() -> None:
    assert said(database=limited(27))[0].endswith("30 connections of 20: one stack at a time")


def test_a_server_of_the_users_may_hold_any_number() -> None:
    assert said(database={"dsn": "postgresql://h/d"})[0].endswith("; 30 connections at once")


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
