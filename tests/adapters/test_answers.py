import asyncio

import orjson
import psycopg
import pytest

from adapters.base import Adapter
from tests.adapters.stacks import STACKS, encoded, opened
from tests.conftest import Database


async def read_everything(adapter: Adapter) -> dict[str, bytes]:
    return {
        "users": encoded(await adapter.list_users(100)),
        "two users": encoded(await adapter.list_users(2)),
        "user": encoded(await adapter.get_user(7)),
        "books": encoded(await adapter.list_books(20)),
        "one book": encoded(await adapter.list_books(1)),
    }


@pytest.fixture(scope="module")
def expected(database: Database) -> dict[str, bytes]:
    """Build the answers from plain psycopg rows, without any adapter."""
    with psycopg.connect(database.dsn) as connection:

        def rows(query: str) -> list[tuple[object, ...]]:
            return connection.execute(query.encode()).fetchall()

        users = [
            dict(zip(("id", "name", "email", "created_at"), row, strict=True))
            for row in rows("SELECT * FROM harness.users WHERE id <= 100 ORDER BY id")
        ]
        books = []
        for row in rows("SELECT * FROM harness.books ORDER BY id LIMIT 20"):
            book = dict(zip(("id", "title", "isbn", "price_cents", "published"), row, strict=True))
            for kind in ("author", "genre"):
                book[f"{kind}s"] = [
                    {"id": link_id, "name": name}
                    for link_id, name in rows(
                        f"SELECT k.id, k.name FROM harness.{kind}s k "
                        f"JOIN harness.book_{kind}s l ON l.{kind}_id = k.id "
                        f"WHERE l.book_id = {book['id']} ORDER BY k.id"
                    )
                ]
            books.append(book)
    return {
        "users": orjson.dumps(users),
        "two users": orjson.dumps(users[:2]),
        "user": orjson.dumps(users[6]),
        "books": orjson.dumps(books),
        "one book": orjson.dumps(books[:1]),
    }


@pytest.mark.parametrize(("name", "lane"), STACKS)
def test_every_stack_answers_with_the_same_bytes_in_both_lanes(
    database: Database, expected: dict[str, bytes], name: str, lane: str
) -> None:
    async def answers() -> dict[str, bytes]:
        async with opened(name, database.dsn, lane, pool_size=2) as adapter:
            return await read_everything(adapter)

    assert asyncio.run(answers()) == expected


@pytest.mark.parametrize("name", ["asyncpg_pool", "psycopg_pool"])
def test_json_made_by_the_database_has_the_same_bytes(
    database: Database, expected: dict[str, bytes], name: str
) -> None:
    async def answers() -> dict[str, bytes]:
        async with opened(name, database.dsn, pool_size=1, books="json_agg") as adapter:
            assert isinstance(await adapter.list_books(1), bytes)
            return await read_everything(adapter)

    assert asyncio.run(answers()) == expected


@pytest.mark.parametrize("name", ["asyncpg_pool", "psycopg_pool"])
def test_json_made_by_the_database_escapes_as_orjson_does(database: Database, name: str) -> None:
    title = 'a "quote", a \\, a /, a tab\t, a bell\x07, é and 🙂'
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO harness.books VALUES (-1, %s, 'x', 1, '2000-01-01')", (title,)
        )

        async def answers() -> list[bytes]:
            found = []
            for books in ("queries", "json_agg"):
                async with opened(name, database.dsn, pool_size=1, books=books) as adapter:
                    found.append(encoded(await adapter.list_books(2)))
            return found

        try:
            assembled, aggregated = asyncio.run(answers())
        finally:
            connection.execute("DELETE FROM harness.books WHERE id = -1")
    assert orjson.loads(assembled)[0]["title"] == title
    assert orjson.loads(assembled)[0]["authors"] == []
    assert aggregated == assembled


@pytest.mark.parametrize(("name", "lane"), STACKS)
def test_a_user_that_is_not_there_is_none(database: Database, name: str, lane: str) -> None:
    async def found() -> object:
        async with opened(name, database.dsn, lane, pool_size=1) as adapter:
            return await adapter.get_user(2**40)

    assert asyncio.run(found()) is None


@pytest.mark.parametrize(("name", "lane"), STACKS)
def test_an_insert_is_committed_and_answered_with_its_row(
    database: Database, name: str, lane: str
) -> None:
    async def inserted() -> dict[str, object]:
        async with opened(name, database.dsn, lane, pool_size=1) as adapter:
            answer = await adapter.insert_user(f"{name} {lane}", "new@example.org")
            return dict(orjson.loads(encoded(answer)))

    user = asyncio.run(inserted())
    with psycopg.connect(database.dsn) as connection:
        row = connection.execute(
            "DELETE FROM harness.users WHERE id = %s RETURNING name, email, created_at",
            (user["id"],),
        ).fetchone()
    assert list(user) == ["id", "name", "email", "created_at"]
    assert row is not None
    assert row[:2] == (user["name"], user["email"])
    assert orjson.dumps(row[2]) == orjson.dumps(user["created_at"])


@pytest.mark.parametrize(("name", "lane"), STACKS)
def test_opening_a_pool_fills_it_and_leaves_no_row(
    database: Database, name: str, lane: str
) -> None:
    application = f"{name}-{lane}"
    count = "SELECT count(*) FROM harness.users"
    backends = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"

    async def opened_and_counted() -> None:
        dsn = database.address.dsn(application)
        async with opened(name, dsn, lane, pool_size=4):
            assert connection.execute(backends, (application,)).fetchone() == (4,)

    with psycopg.connect(database.dsn, autocommit=True) as connection:
        before = connection.execute(count).fetchone()
        asyncio.run(opened_and_counted())
        assert connection.execute(count).fetchone() == before
