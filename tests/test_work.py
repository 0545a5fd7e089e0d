"""What the database counted, against what was answered."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks import checked
from harness.database.counters import Counters
from harness.model import Endpoint, Observation, Setting
from harness.work import Asked, credited, rows_least
from tests.factories import a_cost, a_key, an_answer, an_observation

STACKS = ("one", "two", "three", "four")


def a_setting(endpoint: Endpoint, limit: int | None = None) -> Setting:
    return a_key(endpoint=endpoint, limit=limit).setting


def a_count(**fields: Any) -> Counters:
    ordinary = {"transactions": 0, "rows_read": 0, "users_scans": 0, "books_scans": 0, "users": 0}
    return Counters(**ordinary | fields)


def outcomes(
    counted: Counters,
    answered: dict[str, int],
    db_cpu_us: dict[str, float | None] | None = None,
    endpoint: Endpoint = "users_get",
    rows: int = 1,
    **asked: int,
) -> dict[str, tuple[str, str]]:
    """Return outcome and reason by stack, for so many good answers of each."""
    found = credited(
        [_row(name, endpoint, (db_cpu_us or {}).get(name, 50.0)) for name in answered],
        {
            name: replace(an_answer([], []), answered=count, failed=asked.get("failed", 0))
            for name, count in answered.items()
        },
        counted,
        Asked(a_setting(endpoint), rows, asked.get("verified", 0), asked.get("refused", 0)),
    )
    return {row.key.stack: (row.outcome, row.reason) for row in map(checked, found)}


def _row(stack: str, endpoint: Endpoint, db_cpu_us: float | None) -> Observation:
    key = a_key(stack=stack, endpoint=endpoint)
    return an_observation(key, cost=a_cost(db_cpu_us=db_cpu_us))


OK, WORK = ("ok", ""), ("invalid", "work")
ALL = dict.fromkeys(STACKS, 1000)


def counts(number: int) -> Counters:
    return a_count(transactions=number, rows_read=number, users_scans=number)


def test_stacks_that_did_their_work_are_believed() -> None:
    assert outcomes(counts(4000), ALL) == dict.fromkeys(STACKS, OK)


def test_one_missing_transaction_is_seen() -> None:
    assert outcomes(counts(3999), ALL) == dict.fromkeys(STACKS, WORK)


def test_the_one_of_four_whose_backends_did_nothing_is_told_from_the_others() -> None:
    found = outcomes(counts(3000), ALL, {"two": 0.4})
    assert found == {"one": OK, "two": WORK, "three": OK, "four": OK}


def test_the_reset_queries_of_others_do_not_hide_it() -> None:
    counted = a_count(transactions=9000, rows_read=300_000, users_scans=3000)
    assert outcomes(counted, ALL, {"two": 0.4})["two"] == WORK
    # Where CPU cannot be seen nobody knows which it was.
    assert outcomes(counted, ALL, dict.fromkeys(STACKS)) == dict.fromkeys(STACKS, WORK)


def test_a_stack_that_was_alone_is_judged_by_its_own_count() -> None:
    assert outcomes(counts(1000), {"one": 1000}, {"one": 0.4}) == {"one": OK}
    assert outcomes(counts(16), {"one": 1000}) == {"one": WORK}


def test_a_stack_without_an_answer_is_credited_with_nothing_and_not_blamed() -> None:
    assert outcomes(counts(0), {"one": 0}) == {"one": OK}
    assert outcomes(counts(1000), {"one": 1000, "two": 0}) == {"one": OK, "two": OK}


def test_a_list_needs_all_of_its_rows() -> None:
    enough = a_count(transactions=4000, users_scans=4000, rows_read=400_000)
    assert outcomes(enough, ALL, endpoint="users_list", rows=100)["one"] == OK
    fewer = replace(enough, rows_read=399_999)
    assert outcomes(fewer, ALL, endpoint="users_list", rows=100)["one"] == WORK


def test_books_are_counted_by_their_own_table() -> None:
    counted = a_count(transactions=8000, rows_read=400_000, users_scans=4000)
    assert outcomes(counted, ALL, endpoint="books_list", rows=100)["one"] == WORK
    read = replace(counted, books_scans=4000)
    assert outcomes(read, ALL, endpoint="books_list", rows=100)["one"] == OK


@pytest.mark.parametrize(
    ("users", "found"),
    [(4003, WORK), (4004, OK), (4006, OK), (4014, OK), (4015, WORK)],
)
def test_inserts_are_in_the_table_once_each(users: int, found: tuple[str, str]) -> None:
    """Four were verified, two refused, and two requests of each stack failed."""
    counted = a_count(transactions=9999, users=users)
    said = outcomes(counted, ALL, endpoint="users_insert", verified=4, refused=2, failed=2)
    assert said == dict.fromkeys(STACKS, found)


@pytest.mark.parametrize(
    ("endpoint", "limit", "rows"),
    [
        ("users_get", None, 1),
        ("users_insert", None, 1),
        ("users_list", 100, 100),
        ("users_list", 500, 300),
        ("books_list", 20, 100),
        ("books_list", 500, 1000),
    ],
)
def test_the_least_rows_of_an_answer(endpoint: Endpoint, limit: int | None, rows: int) -> None:
    assert rows_least(a_setting(endpoint, limit), users=300, books=200) == rows


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=4), st.integers(-5, 5))
def test_there_must_be_as_many_as_answers_to_the_last_one(many: list[int], more: int) -> None:
    answered = dict(zip(STACKS, many, strict=False))
    found = outcomes(counts(max(0, sum(many) + more)), answered)
    assert set(found.values()) == {OK if more >= 0 else WORK}
