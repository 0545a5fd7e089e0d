"""A stack of a stranger's, written against `adapters.base` alone, in a run with an axis of its own.

The module lies beside the matrix, as docs/adapters.md says it may.
"""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.run.conftest import Start, as_measured

ADAPTER = """
import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import psycopg
from psycopg.rows import dict_row

from adapters.base import PoolOptions, Unsupported


@dataclass(frozen=True, slots=True)
class Options(PoolOptions):
    fetch: Literal["one", "all"] = "one"


def unsupported(options, endpoint):
    return "all of one row is one" if options.fetch == "all" and endpoint == "users_get" else None


@asynccontextmanager
async def connect(dsn, options):
    with open("opened", "a") as opened_with:
        opened_with.write(options.fetch + " ")
    async with AsyncExitStack() as stack:
        queue = asyncio.Queue()
        for _ in range(options.pool_size):
            opened = await psycopg.AsyncConnection.connect(
                dsn, autocommit=True, row_factory=dict_row
            )
            queue.put_nowait(await stack.enter_async_context(opened))
        yield Fifth(queue)


class Fifth:
    def __init__(self, queue):
        self._queue = queue

    async def get_user(self, user_id):
        connection = await self._queue.get()
        try:
            cursor = await connection.execute(
                "SELECT id, name, email, created_at FROM harness.users WHERE id = %s", (user_id,)
            )
            return await cursor.fetchone()
        finally:
            self._queue.put_nowait(connection)

    async def list_users(self, limit):
        raise Unsupported("one user at a time")

    async def insert_user(self, name, email):
        raise Unsupported("one user at a time")

    async def list_books(self, limit):
        raise Unsupported("users only")
"""
GROUP = {"endpoint": ["users_get"], "concurrency": [2], "pool_size": [2]}


@pytest.fixture
def fifth(tmp_path: Path, matrix: Callable[..., str]) -> str:
    (tmp_path / "stranger").mkdir()
    (tmp_path / "stranger" / "stack.py").write_text(ADAPTER)
    return matrix(
        stack=[
            {"name": "asyncpg", "adapter": "asyncpg_pool"},
            {"name": "fifth", "adapter": "stranger.stack"},
        ],
        group=[
            GROUP | {"name": "plain"},
            GROUP | {"name": "swept", "options": {"fetch": ["one", "all"]}},
        ],
    )


def test_a_strangers_adapter_is_measured_beside_ours_and_swept_by_its_own_option(
    start: Start, fifth: str, tmp_path: Path
) -> None:
    run = start(fifth)
    run.measured()
    with (tmp_path / "results" / "tiny" / "cells.csv").open(newline="") as file:
        cells = {(row["group"], row["options"], row["stack"]): row for row in csv.DictReader(file)}
    as_measured(cells.pop(("plain", "", "asyncpg")))
    as_measured(cells.pop(("plain", "", "fifth")))
    as_measured(cells.pop(("swept", "fetch=one", "fifth")))
    assert {key: (row["outcome"], row["flags"]) for key, row in cells.items()} == {
        ("swept", "fetch=one", "asyncpg"): ("unsupported", "asyncpg_pool has no option 'fetch'"),
        ("swept", "fetch=all", "asyncpg"): ("unsupported", "asyncpg_pool has no option 'fetch'"),
        ("swept", "fetch=all", "fifth"): ("unsupported", "all of one row is one"),
    }
    # Nothing was started for what cannot be done.
    assert set((tmp_path / "opened").read_text().split()) == {"one"}
    report = (tmp_path / "results" / "tiny" / "report.md").read_text()
    assert "## swept: users_get, fetch=one" in report
    before = {each.name: each.read_bytes() for each in (tmp_path / "results" / "tiny").rglob("*.*")}
    start("report", "results/tiny").output()
    after = {each.name: each.read_bytes() for each in (tmp_path / "results" / "tiny").rglob("*.*")}
    assert after == before
