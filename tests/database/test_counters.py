"""The database's own count of what was done, exact once the sessions that did it have ended."""

import asyncio
import itertools

import psycopg
import pytest

from harness.database import counters as module
from harness.database.counters import Counters, counters
from tests.conftest import Database

NAME = "harness-counted"
names = (f"{NAME}-{number}" for number in itertools.count())


def read(database: Database, name: str) -> Counters | None:
    async def asked() -> Counters | None:
        async with await database.address.connect() as reader:
            return await counters(reader, [name])

    return asyncio.run(asked())


def session(database: Database, name: str) -> "psycopg.Connection[tuple[object, ...]]":
    dsn = database.address.dsn(name)
    return psycopg.connect(dsn, password=database.password, autocommit=True)


def test_what_ended_sessions_did_is_counted_to_the_last_statement(database: Database) -> None:
    name = next(names)
    before = read(database, name)
    for _ in range(3):
        with session(database, name) as connection:
            for user_id in range(1, 41):
                connection.execute("SELECT name FROM harness.users WHERE id = %s", (user_id,))
            connection.execute("SELECT id FROM harness.books ORDER BY id LIMIT 20")
    after = read(database, name)
    assert before is not None
    assert after is not None
    done = after.since(before)
    # Reading the counters is counted too, by the next reading.
    assert 120 <= done.users_scans <= 122
    assert done.books_scans == 3
    assert done.transactions >= 123
    assert done.rows_read >= 120 + 60
    assert done.users == 0


def test_rows_in_the_table_are_counted_and_those_undone_are_not(database: Database) -> None:
    name = next(names)
    before = read(database, name)
    insert = "INSERT INTO harness.users (name, email) VALUES ('counted', 'c') RETURNING id"
    with session(database, name) as connection:
        rows = connection.execute(insert).fetchall()
        connection.execute("BEGIN")
        connection.execute(insert)
        connection.execute("ROLLBACK")
    after = read(database, name)
    with session(database, name) as connection:
        connection.execute("DELETE FROM harness.users WHERE id = %s", rows[0])
    assert before is not None
    assert after is not None
    assert after.since(before).users == 1


def test_a_server_that_does_not_count_says_nothing(database: Database) -> None:
    with session(database, next(names)) as connection:
        connection.execute("ALTER ROLE harness SET track_counts = off")
        try:
            assert read(database, next(names)) is None
        finally:
            connection.execute("ALTER ROLE harness RESET track_counts")


def test_nothing_is_said_while_a_session_lives(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = next(names)
    monkeypatch.setattr(module, "GONE_WITHIN_S", 0.05)
    with session(database, name):
        assert read(database, name) is None
    assert read(database, name) is not None
