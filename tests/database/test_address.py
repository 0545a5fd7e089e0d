"""Where a server is, in a form that every driver reads alike and that holds no password."""

import asyncio

import asyncpg
import psycopg
import psycopg2  # type: ignore[import-untyped]
import pytest

from harness.database.address import Address, resolve
from harness.errors import BadInput
from tests.conftest import Database


def test_a_resolved_dsn_names_every_default_and_leaves_the_password_out(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = database.address.port
    monkeypatch.delenv("PGPASSWORD")
    given = f"postgresql://harness:{database.password}@127.0.0.1:{port}/postgres"
    address = asyncio.run(resolve(given))
    assert address.password == database.password
    assert database.password not in repr(address)
    assert address.dsn("it's me") == (
        f"postgresql://harness@127.0.0.1:{port}/postgres"
        "?sslmode=disable&application_name=it%27s%20me"
    )


def test_the_password_may_come_from_the_environment(database: Database) -> None:
    given = f"host=127.0.0.1 port={database.address.port} user=harness dbname=postgres"
    assert asyncio.run(resolve(given)).password == database.password


def test_every_driver_reads_it_alike(database: Database) -> None:
    dsn = database.address.dsn("harness-alike")
    asked = "SELECT current_setting('application_name'), current_user, ssl FROM pg_stat_ssl"
    asked += " WHERE pid = pg_backend_pid()"

    async def of_asyncpg() -> tuple[object, ...]:
        connection = await asyncpg.connect(dsn)
        try:
            return tuple(await connection.fetchrow(asked))
        finally:
            await connection.close()

    with psycopg.connect(dsn) as connection:
        of_psycopg = connection.execute(asked.replace("%", "%%")).fetchone()
    other = psycopg2.connect(dsn)
    try:
        with other.cursor() as cursor:
            cursor.execute(asked)
            of_psycopg2 = cursor.fetchone()
    finally:
        other.close()
    assert asyncio.run(of_asyncpg()) == of_psycopg == of_psycopg2
    assert of_psycopg == ("harness-alike", "harness", False)


@pytest.mark.parametrize(
    ("address", "dsn"),
    [
        (Address("/run/pg", 5433, "a b", "d/b", None), "postgresql://a%20b@/d%2Fb?"),
        (Address("::1", 5432, "me", "db", None), "postgresql://me@[::1]:5432/db?"),
    ],
)
def test_sockets_and_ipv6_keep_their_place(address: Address, dsn: str) -> None:
    text = address.dsn("x")
    assert text.startswith(dsn)
    read = psycopg.conninfo.conninfo_to_dict(text)
    assert (read["host"], int(str(read["port"]))) == (address.host, address.port)
    assert (read["user"], read["dbname"]) == (address.user, address.dbname)


@pytest.mark.parametrize("dsn", ["postgres//x", "mysql://x", "host=a b c", "postgresql://x:y z@q"])
def test_what_is_no_dsn_is_bad_input(dsn: str) -> None:
    with pytest.raises(BadInput, match="not a Postgres DSN"):
        asyncio.run(resolve(dsn))
