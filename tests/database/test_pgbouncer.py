"""A PgBouncer before a real Postgres."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from harness.database import activity, pgbouncer
from harness.database.pgbouncer import Bouncer, backends, bouncer, console
from harness.errors import NotInstalled, ServerFailed
from harness.processes import Processes, running
from tests.conftest import Database

NAME = "harness-it's a stack"

needed = pytest.mark.skipif(pgbouncer.executable() is None, reason=pgbouncer.MISSING)


@asynccontextmanager
async def through(
    processes: Processes, database: Database, dbname: str = "postgres"
) -> AsyncIterator[Bouncer]:
    address = replace(database.address, dbname=dbname)
    async with (
        await database.address.connect() as session,
        bouncer(
            processes, address, session, application_name=NAME, pool_size=2, clients=4
        ) as found,
    ):
        yield found


async def held_by(found: Bouncer) -> list[int]:
    async with await console(found) as asked:
        return await backends(asked)


async def named(database: Database) -> list[int]:
    async with await database.address.connect() as session:
        return await activity.backends(session, NAME)


@needed
def test_its_backends_are_no_more_than_asked_for_and_end_with_it(
    processes: Processes, database: Database
) -> None:
    async def story() -> tuple[set[int], list[int], list[int], bool]:
        async with through(processes, database) as found:
            dsn = found.address.dsn(NAME)

            async def asked() -> int:
                async with await psycopg.AsyncConnection.connect(dsn) as connection:
                    rows = await connection.execute("SELECT pg_backend_pid() FROM pg_sleep(0.01)")
                    (pid,) = await rows.fetchone() or (0,)
                    return int(pid)

            pids = set(await asyncio.gather(*(asked() for _ in range(4))))
            held, known = await held_by(found), await named(database)
        assert await named(database) == []
        return pids, held, known, running(found.pid)

    pids, held, known, lives = asyncio.run(story())
    assert pids <= set(held)
    assert 1 <= len(held) <= 2
    assert known == held
    assert not lives


@needed
def test_backends_whose_name_was_reset_are_still_known(
    processes: Processes, database: Database
) -> None:
    async def story() -> tuple[list[int], list[int]]:
        async with through(processes, database) as found:
            dsn = found.address.dsn(NAME)
            async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
                await connection.execute("RESET ALL")
                return await held_by(found), await named(database)

    held, known = asyncio.run(story())
    assert len(held) == 1
    assert known == []


@needed
def test_its_files_hold_the_password_for_its_owner_alone(
    processes: Processes, database: Database
) -> None:
    async def story() -> list[tuple[int, bool]]:
        async with through(processes, database) as found:
            [conf] = [
                argument
                for argument in Path(f"/proc/{found.pid}/cmdline").read_text().split("\0")
                if argument.endswith(".ini")
            ]
            return [
                (each.stat().st_mode & 0o77, database.password in each.read_text())
                for each in sorted(Path(conf).parent.iterdir())
                if each.name != "log"
            ]

    assert asyncio.run(story()) == [(0, False), (0, True)]


@needed
def test_a_database_that_refuses_is_the_clients_to_hear_of(
    processes: Processes, database: Database
) -> None:
    async def story() -> None:
        async with through(processes, database, "nothing_of_that_name") as found:
            await psycopg.AsyncConnection.connect(found.address.dsn(NAME))

    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        asyncio.run(story())


def test_one_that_is_not_installed_says_how_to_install_it(
    processes: Processes, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(pgbouncer, "SBIN", ())

    async def story() -> None:
        async with through(processes, database):
            pass

    with pytest.raises(NotInstalled, match="apt-get install pgbouncer"):
        asyncio.run(story())


OURS = ("pytest-", "popen-", "test_")
"""What folders of tests are called."""


def test_one_that_stops_at_once_says_why(
    processes: Processes, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "pgbouncer"
    fake.write_text("#!/bin/sh\necho 'FATAL no way' >&2\nexit 1\n")
    fake.chmod(0o755)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == fake.owner() and folder.name.startswith(OURS):
            folder.chmod(0o755)  # whom root runs it as must get in
    monkeypatch.setenv("PATH", str(tmp_path))

    async def story() -> None:
        async with through(processes, database):
            pass

    with pytest.raises(ServerFailed, match="FATAL no way"):
        asyncio.run(story())


@pytest.mark.skipif(os.getuid() != 0, reason="only root runs it as somebody else")
def test_one_that_only_root_may_start_is_a_plain_error(
    processes: Processes, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "pgbouncer"
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))

    async def story() -> None:
        async with through(processes, database):
            pass

    with pytest.raises(ServerFailed, match="cannot be started: Permission denied"):
        asyncio.run(story())
