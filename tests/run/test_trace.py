"""`trace` as a user runs it."""

from collections.abc import Callable

import orjson
import pytest

from tests.run.conftest import Said, Start


def test_a_trace_counts_the_round_trips_of_one_warm_request_and_leaves_nothing(
    start: Start, matrix: Callable[..., str]
) -> None:
    tracing = start("trace", "asyncpg", "users_get", "--matrix", matrix(), "--json")
    said, complained = tracing.output()
    assert tracing.process.returncode == 0, complained
    found = orjson.loads(said)
    assert (found["round_trips"], found["statements"], found["ended"]) == (2, 5, "implicit")
    assert [trip["purpose"] for trip in found["trips"]] == ["statement", "reset"]
    assert found["trips"][0]["statements"][0]["way"] == "prepared"
    assert tracing.left() == []


def test_what_a_stack_cannot_do_is_said_before_anything_is_started(
    start: Start, matrix: Callable[..., str]
) -> None:
    lazy = {"name": "lazy", "adapter": "sqlalchemy_async", "options": {"books": "lazy"}}
    tracing = start("trace", "lazy", "books_list", "--matrix", matrix(stack=[lazy]))
    _, complained = tracing.output()
    assert tracing.process.returncode == 2
    assert complained.startswith("error: lazy: books_list: MissingGreenlet: ")
    assert len(complained.splitlines()) == 1
    assert not tracing.folders


@pytest.mark.parametrize(
    ("stack", "endpoint", "line"),
    [
        ("asyncgp", "users_get", "error: asyncgp: no such stack; the matrix has asyncpg, psycopg"),
        ("asyncpg", "users", "error: users: no such endpoint; there are users_get, users_list"),
    ],
)
def test_a_name_of_nothing_is_answered_with_those_there_are(
    said: Callable[..., Said], matrix: Callable[..., str], stack: str, endpoint: str, line: str
) -> None:
    found = said("trace", stack, endpoint, "--matrix", matrix())
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith(line)
    assert found.err.count("\n") == 1
