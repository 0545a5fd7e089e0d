"""Messages made into round trips and statements."""

import pytest

from harness.wire.conversation import Connection, Trip, ending, totals
from harness.wire.messages import Dialogue
from tests.wire import talk
from tests.wire.talk import trips

WHOLE = talk.parse("SELECT 2") + talk.bind() + talk.DESCRIBE + talk.EXECUTE + talk.SYNC
WHOLE_ANSWER = (
    talk.PARSED + talk.BOUND + talk.ROWS + talk.ROW + talk.done("SELECT 1") + talk.ready()
)


def simple(sql: str, *tags: str, status: str = "I") -> list[tuple[str, bytes]]:
    answer = b"".join(map(talk.done, tags)) + talk.ready(status)
    return [("client", talk.query(sql)), ("server", answer)]


@pytest.mark.parametrize(
    ("said", "count"),
    [
        (simple("SELECT 1", "SELECT 1"), 1),
        ([("client", WHOLE), ("server", WHOLE_ANSWER)], 1),
        ([("client", WHOLE + WHOLE), ("server", WHOLE_ANSWER + WHOLE_ANSWER)], 1),
        ([("client", WHOLE), ("server", WHOLE_ANSWER)] * 2, 2),
        ([("client", WHOLE), ("client", WHOLE), ("server", WHOLE_ANSWER * 2)], 1),
        (
            [  # prepared first, with a Flush, and executed after
                ("client", talk.parse("SELECT 1", "s") + talk.DESCRIBE + talk.message("H")),
                ("server", talk.PARSED + talk.message("t", talk.short(0)) + talk.ROWS),
                ("client", talk.bind("s") + talk.EXECUTE + talk.SYNC),
                ("server", talk.BOUND + talk.ROW + talk.done("SELECT 1") + talk.ready()),
            ],
            2,
        ),
        (
            [  # after an error the server is silent up to the Sync
                ("client", WHOLE),
                ("server", talk.failed("42601", "syntax error")),
                ("server", talk.ready()),
            ],
            1,
        ),
        (
            [  # a COPY, with data between the question and its end
                ("client", talk.query("COPY t FROM STDIN")),
                ("server", talk.message("G", bytes(3))),
                ("client", talk.message("d", b"1") + talk.message("c")),
                ("server", talk.done("COPY 1") + talk.ready()),
            ],
            1,
        ),
        ([("client", talk.message("X"))], 0),
    ],
    ids=[
        "simple",
        "extended",
        "pipelined",
        "one after another",
        "sent before the answer",
        "flushed",
        "failed",
        "copy",
        "terminate",
    ],
)
def test_a_round_trip_lasts_until_the_server_owes_nothing(
    said: list[tuple[str, bytes]], count: int
) -> None:
    found = trips(*said)
    assert len(found) == count
    assert all(trip.ended_ns is not None for trip in found)


def test_every_step_of_a_login_is_a_round_trip() -> None:
    password = talk.message("p", talk.text("md5"))
    asked = talk.message("R", (5).to_bytes(4, "big"))
    found = trips(
        *[("client", talk.SSL_REQUEST), ("server", b"N")],
        *[("client", talk.STARTUP), ("server", asked)],
        *[("client", password), ("server", talk.LOGGED_IN)],
        logged_in=False,
    )
    assert [trip.sent for trip in found] == [("SSLRequest",), ("StartupMessage",), ("Password",)]


def test_what_the_server_says_unasked_ends_nothing() -> None:
    notice = talk.message("N", talk.text("SNOTICE"))
    [trip] = trips(("client", talk.query("SELECT 1")), ("server", notice))
    assert trip.ended_ns is None
    assert trip.received == 1


def statement_of(*said: tuple[str, bytes]) -> tuple[object, ...]:
    [statement] = trips(*said)[-1].statements
    return statement.sql, statement.way, statement.parameters, statement.results


def test_a_statement_parsed_for_the_request_says_so() -> None:
    said = statement_of(("client", WHOLE), ("server", WHOLE_ANSWER))
    assert said == ("SELECT 2", "parsed", "text", "text")


def test_a_bind_to_a_statement_parsed_in_another_round_trip_has_its_sql() -> None:
    said = statement_of(
        ("client", talk.parse("SELECT 2", "s") + talk.SYNC),
        ("server", talk.PARSED + talk.ready()),
        ("client", talk.bind("s", binary=True) + talk.EXECUTE + talk.SYNC),
    )
    assert said == ("SELECT 2", "parsed", "binary", "binary")


def test_a_statement_that_an_earlier_request_prepared_is_known_by_its_name() -> None:
    dialogue, connection = Dialogue(), Connection(1)
    for data in (talk.STARTUP, talk.parse("SELECT 3", "s") + talk.SYNC):
        for each in dialogue.from_client(data):
            connection.client(0, each)
    for each in dialogue.from_server(talk.LOGGED_IN + talk.PARSED + talk.ready()):
        connection.server(1, each)
    connection.forget()
    for each in dialogue.from_client(talk.bind("s", parameters=0) + talk.EXECUTE + talk.SYNC):
        connection.client(2, each)
    [statement] = connection.trips[-1].statements
    assert (statement.sql, statement.way, statement.parameters) == ("SELECT 3", "prepared", "")


def test_rows_tags_and_bytes_are_those_of_their_statement() -> None:
    answer = talk.ROWS + talk.ROW + talk.ROW + talk.done("SELECT 2") + talk.done("RESET")
    [trip] = trips(("client", talk.query("SELECT 1; RESET ALL")), ("server", answer + talk.ready()))
    [statement] = trip.statements
    assert (statement.rows, statement.row_bytes) == (2, 2 * len(talk.ROW))
    assert statement.tags == ("SELECT 2", "RESET")
    said = totals([trip])
    assert (said.round_trips, said.statements, said.messages) == (1, 2, 7)
    assert said.bytes_in == len(answer + talk.ready())
    assert said.bytes_out == len(talk.query("SELECT 1; RESET ALL"))


def test_an_error_is_kept_with_its_sqlstate() -> None:
    answer = talk.failed("42P01", "no such table") + talk.ready()
    [trip] = trips(("client", talk.query("SELECT")), ("server", answer))
    assert trip.statements[0].error == "42P01 no such table"


BEGIN = simple("BEGIN", "BEGIN", status="T")
WORK = simple("SELECT 1", "SELECT 1", status="T")
RESET = simple("SELECT pg_advisory_unlock_all(); RESET ALL", "SELECT 1", "RESET")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([], None),
        (simple("SELECT 1", "SELECT 1"), "implicit"),
        (simple("SELECT 1", "SELECT 1") + RESET, "implicit"),
        (BEGIN + WORK + simple("COMMIT", "COMMIT"), "COMMIT"),
        (BEGIN + WORK + simple("ROLLBACK", "ROLLBACK"), "ROLLBACK"),
        (BEGIN + WORK + simple("ROLLBACK", "ROLLBACK") + RESET, "ROLLBACK"),
        (BEGIN + WORK, "open"),
    ],
)
def test_the_end_of_the_transaction_is_that_of_the_work_and_not_of_the_reset(
    said: list[tuple[str, bytes]], expected: str | None
) -> None:
    found: list[Trip] = trips(*said)
    assert ending(found) == expected
