"""A traced request as it is told."""

import orjson
import pytest

from harness.wire import story
from harness.wire.story import Story
from tests.wire import talk
from tests.wire.talk import trips
from tests.wire.test_conversation import BEGIN, RESET, WHOLE, WHOLE_ANSWER, simple

LONG = "SELECT " + ", ".join(f"harness.users.column_{i}" for i in range(20))


def told(*said: tuple[str, bytes], answered_ns: int = 10**6) -> Story:
    return Story(
        stack="a-stack",
        endpoint="users_get",
        method="GET",
        path="/users/7",
        status=200,
        size=93,
        asked_ns=0,
        answered_ns=answered_ns,
        trips=trips(*said),
    )


def test_it_is_told_in_order_from_the_request_to_the_answer() -> None:
    said = story.text(told(*BEGIN, *simple("COMMIT", "COMMIT"), *RESET)).splitlines()
    words = [line[10:19].strip() for line in said[3:-3]]
    assert list(filter(None, words)) == [
        *("request", "checkout", "begin", "commit", "reset", "return", "answer")
    ]
    assert said[-1] == "The transaction ended with COMMIT."


def test_what_comes_after_the_answer_is_told_after_it() -> None:
    said = story.text(told(*simple("ROLLBACK", "ROLLBACK"), answered_ns=1))
    assert said.index("answer") < said.index("rollback")


def test_no_line_is_wider_than_a_terminal() -> None:
    said = story.text(told(*simple(LONG, "SELECT 1")))
    assert max(map(len, said.splitlines())) <= story.WIDTH
    assert LONG.split()[-1] in said


def test_a_statement_says_how_it_came_and_in_which_formats() -> None:
    said = story.text(told(("client", WHOLE), ("server", WHOLE_ANSWER)))
    assert "(parsed for this request, parameters text, results text)" in said
    assert "-> SELECT 1: 1 row of 12 bytes" in said


def test_the_totals_are_the_keys_of_the_json() -> None:
    found = orjson.loads(story.json_bytes(told(("client", WHOLE), ("server", WHOLE_ANSWER))))
    assert found["round_trips"] == 1
    assert found["statements"] == 1
    assert found["bytes_out"] == len(WHOLE)
    assert found["bytes_in"] == len(WHOLE_ANSWER)
    assert found["messages"] == 11
    assert found["ended"] == "implicit"
    assert [trip["purpose"] for trip in found["trips"]] == ["statement"]


@pytest.mark.parametrize(
    ("said", "word"),
    [
        (simple("SELECT 1", "SELECT 1"), "ping"),
        (simple(";", "EmptyQueryResponse"), "ping"),
        (simple("DISCARD ALL", "DISCARD ALL"), "reset"),
        (simple("SELECT id FROM t", "SELECT 1"), "statement"),
        (simple("ROLLBACK", "ROLLBACK"), "rollback"),
        ([("client", talk.SYNC), ("server", talk.ready())], "sync"),
        (
            [
                ("client", talk.parse("SELECT 2") + talk.SYNC),
                ("server", talk.PARSED + talk.ready()),
            ],
            "prepare",
        ),
        ([("client", talk.message("p")), ("server", talk.LOGGED_IN)], "connect"),
    ],
)
def test_a_round_trip_is_called_what_it_is_for(said: list[tuple[str, bytes]], word: str) -> None:
    assert story.purpose(trips(*said)[0]) == word


def test_a_request_without_a_database_says_so() -> None:
    assert story.text(told()).endswith("Nothing was said to the database.")
