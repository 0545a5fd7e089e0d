"""A Postgres of the run's own, and the tables in it."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from harness.database import activity, embedded
from harness.database.address import Address
from harness.database.dataset import dataset, restore_users
from harness.database.embedded import cluster
from harness.errors import BadInput
from harness.processes import Processes
from tests.conftest import BOOKS, USERS, Database

TABLES = ("users", "books", "authors", "genres", "book_authors", "book_genres")


def everything(address: Address) -> dict[str, list[tuple[object, ...]]]:
    with psycopg.connect(address.dsn("harness-tests"), password=address.password) as connection:
        return {
            table: connection.execute(f"SELECT * FROM harness.{table} ORDER BY 1, 2").fetchall()
            for table in TABLES
        }


async def restored(address: Address) -> None:
    async with await address.connect() as session:
        await restore_users(session, USERS)


def test_it_takes_the_settings_listens_on_loopback_only_and_goes_with_its_files(
    processes: Processes,
) -> None:
    async def scenario() -> tuple[activity.Facts, list[str], Path]:
        settings: dict[str, str | int | float | bool] = {"max_connections": 33, "jit": False}
        async with cluster(processes, settings) as (address, pid):
            folder = Path(f"/proc/{pid}/cwd").resolve()
            facts = await activity.facts(address)
            async with await address.connect() as connection:
                found = await connection.execute(
                    "SELECT current_setting('listen_addresses'),"
                    " current_setting('unix_socket_directories'), current_setting('ssl')"
                )
                (row,) = await found.fetchall()
            return facts, [str(each) for each in row], folder

    facts, listening, folder = asyncio.run(scenario())
    assert listening == ["127.0.0.1", "", "off"]
    assert facts.settings["max_connections"] == "33"
    assert facts.settings["jit"] == "off"
    assert facts.version.startswith("18.")
    assert not folder.exists()


def test_a_stranger_on_the_machine_does_not_get_in_without_the_password(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(database.dsn)


def test_a_setting_that_postgres_refuses_is_bad_input_in_its_own_words(
    processes: Processes,
) -> None:
    async def scenario() -> None:
        async with cluster(processes, {"max_connections": "many"}):
            pass

    with pytest.raises(BadInput, match=r'database\.settings: .*"max_connections": "many"'):
        asyncio.run(scenario())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run Postgres as somebody else")
def test_binaries_that_nobody_may_reach_are_copied(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "open_to_all", lambda path: "bin" not in path.parts)

    async def scenario() -> str:
        async with cluster(processes, {}) as (_, pid):
            return str(Path(f"/proc/{pid}/exe").readlink())

    assert "harness-pg-" in asyncio.run(scenario())


@pytest.fixture(scope="module")
def another(processes: Processes) -> Iterator[Address]:
    """Yield the address of a second cluster, without tables."""
    stack = contextlib.AsyncExitStack()
    with asyncio.Runner() as runner:
        address, _ = runner.run(stack.enter_async_context(cluster(processes, {})))
        try:
            yield address
        finally:
            runner.run(stack.aclose())


def filled(address: Address, users: int, books: int) -> dict[str, list[tuple[object, ...]]]:
    """Return the tables of `address`, which has none, as they are while they are there."""

    async def scenario() -> dict[str, list[tuple[object, ...]]]:
        async with dataset(address, users=users, books=books):
            return everything(address)

    return asyncio.run(scenario())


def test_the_tables_are_the_same_every_time(another: Address, database: Database) -> None:
    asyncio.run(restored(database.address))  # other tests have inserted some
    again, here = filled(another, USERS, BOOKS), everything(database.address)
    assert again == here
    assert [len(again[table]) for table in ("users", "books")] == [USERS, BOOKS]
    for links in ("book_authors", "book_genres"):
        books = [book for book, _ in again[links]]
        assert len(set(again[links])) == 2 * BOOKS  # two each, and never the same one twice
        assert set(books) == set(range(1, BOOKS + 1))


@pytest.mark.parametrize("books", [1, 2, 7])
def test_the_smallest_tables_hold_too(another: Address, books: int) -> None:
    found = filled(another, 1, books)
    assert len(found["book_authors"]) == len(found["book_genres"]) == 2 * books


def test_users_are_put_back_as_they_were(database: Database) -> None:
    asyncio.run(restored(database.address))
    before = everything(database.address)["users"]
    with psycopg.connect(database.dsn, password=database.password) as connection:
        connection.execute("DELETE FROM harness.users WHERE id % 3 = 0")
        connection.execute("INSERT INTO harness.users (name, email) VALUES ('x', 'y')")
    asyncio.run(restored(database.address))
    assert everything(database.address)["users"] == before
    with psycopg.connect(database.dsn, password=database.password) as connection:
        insert = "INSERT INTO harness.users (name, email) VALUES ('x', 'y') RETURNING id"
        assert connection.execute(insert).fetchone() == (USERS + 1,)
        connection.rollback()


def test_a_local_server_is_known_by_its_processes(database: Database) -> None:
    assert asyncio.run(activity.local_postmaster(database.address)) == database.postmaster_pid


async def backends(database: Database, name: str) -> list[int]:
    async with await database.address.connect() as session:
        return await activity.backends(session, name)


def test_backends_are_told_apart_by_application_name(database: Database) -> None:
    with psycopg.connect(
        database.address.dsn("harness-one"), password=database.password
    ) as connection:
        assert asyncio.run(backends(database, "harness-one")) == [connection.info.backend_pid]
    assert asyncio.run(backends(database, "harness-other")) == []
