"""The round trips of `drivers.md`, counted on the wire."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from harness.wire.tap import tapped
from tests.adapters.stacks import NAMES, opened
from tests.conftest import Database

AUTOCOMMIT: dict[str, Any] = {"autocommit": True}
NO_RESET: dict[str, Any] = {"reset": False}
PSYCOPG: dict[str, Any] = {"driver": "psycopg"}
UNPREPARED: dict[str, Any] = {"prepared": False}
CORE: dict[str, Any] = {"style": "core"}

# adapter, its options, then round trips of: read one row, insert, books.
TABLE: list[tuple[str, dict[str, Any], int, int, int]] = [
    ("asyncpg_pool", {}, 2, 2, 4),
    ("asyncpg_pool", NO_RESET, 1, 1, 3),
    ("asyncpg_pool", NO_RESET | {"transaction": True}, 1, 3, 3),
    ("asyncpg_pool", NO_RESET | {"books": "json_agg"}, 1, 1, 1),
    ("asyncpg_pool", NO_RESET | {"autocommit": False}, 3, 3, 5),
    ("asyncpg_pool", NO_RESET | UNPREPARED, 2, 2, 6),
    ("psycopg_pool", {}, 3, 3, 5),
    ("psycopg_pool", AUTOCOMMIT, 1, 1, 3),
    ("psycopg_pool", AUTOCOMMIT | {"transaction": True}, 1, 3, 3),
    ("psycopg_pool", AUTOCOMMIT | {"books": "json_agg"}, 1, 1, 1),
    ("psycopg_pool", AUTOCOMMIT | {"pool_pre_ping": True}, 2, 2, 4),
    ("psycopg_pool", AUTOCOMMIT | UNPREPARED, 1, 1, 3),
    ("psycopg_pool", AUTOCOMMIT | {"binary": True}, 1, 1, 3),
    ("sqlalchemy_sync", {}, 3, 3, 5),
    ("sqlalchemy_sync", CORE, 3, 3, 5),
    ("sqlalchemy_sync", PSYCOPG, 3, 3, 5),
    ("sqlalchemy_sync", {"session": "three_hops"}, 3, 3, 5),
    ("sqlalchemy_sync", {"session": "three_hops"} | CORE, 3, 3, 5),
    ("sqlalchemy_sync", {"lambda_statements": True}, 3, 3, 5),
    ("sqlalchemy_sync", {"pool_pre_ping": True}, 4, 4, 6),
    ("sqlalchemy_sync", {"pool_pre_ping": True} | PSYCOPG, 4, 4, 6),
    ("sqlalchemy_sync", AUTOCOMMIT, 1, 1, 3),
    ("sqlalchemy_sync", AUTOCOMMIT | CORE, 1, 1, 3),
    ("sqlalchemy_sync", AUTOCOMMIT | PSYCOPG, 1, 1, 3),
    ("sqlalchemy_sync", AUTOCOMMIT | PSYCOPG | UNPREPARED, 1, 1, 3),
    ("sqlalchemy_sync", AUTOCOMMIT | {"books": "joined"}, 1, 1, 1),
    ("sqlalchemy_sync", AUTOCOMMIT | {"books": "lazy"}, 1, 1, 41),
    ("sqlalchemy_sync", AUTOCOMMIT | {"books": "json_agg"}, 1, 1, 1),
    ("sqlalchemy_sync", AUTOCOMMIT | {"books": "json_agg"} | CORE, 1, 1, 1),
    ("sqlalchemy_async", {}, 3, 3, 5),
    ("sqlalchemy_async", CORE, 3, 3, 5),
    ("sqlalchemy_async", PSYCOPG, 3, 3, 5),
    ("sqlalchemy_async", UNPREPARED, 4, 4, 8),
    ("sqlalchemy_async", {"lambda_statements": True}, 3, 3, 5),
    ("sqlalchemy_async", {"pool_pre_ping": True}, 6, 6, 8),
    ("sqlalchemy_async", {"pool_pre_ping": True} | PSYCOPG, 4, 4, 6),
    ("sqlalchemy_async", AUTOCOMMIT, 1, 1, 3),
    ("sqlalchemy_async", AUTOCOMMIT | CORE, 1, 1, 3),
    ("sqlalchemy_async", AUTOCOMMIT | PSYCOPG, 1, 1, 3),
    ("sqlalchemy_async", AUTOCOMMIT | PSYCOPG | UNPREPARED, 1, 1, 3),
    ("sqlalchemy_async", AUTOCOMMIT | {"books": "joined"}, 1, 1, 1),
    ("sqlalchemy_async", AUTOCOMMIT | {"books": "json_agg"}, 1, 1, 1),
    ("sqlalchemy_async", AUTOCOMMIT | {"books": "json_agg"} | CORE, 1, 1, 1),
]


async def measured(
    database: Database, name: str, lane: str, options: dict[str, Any]
) -> tuple[list[int], int]:
    """Count round trips of the very first read, insert and books; and statements they prepared."""
    address, seen, parses = database.address, [], 0
    async with (
        tapped(address.host, address.port) as tap,
        opened(
            name, replace(address, port=tap.port).dsn("wire"), lane, pool_size=2, **options
        ) as adapter,
    ):
        for request in (
            adapter.get_user(7),
            adapter.insert_user("n", "e"),
            adapter.list_books(20),
        ):
            tap.forget()
            await request
            seen.append(len(tap.trips))
            parses += sum(trip.sent.count("Parse") for trip in tap.trips)
    return seen, parses


@pytest.mark.parametrize(("name", "options", "read", "insert", "books"), TABLE)
def test_a_warm_request_takes_its_round_trips_and_no_more(
    database: Database, name: str, options: dict[str, Any], read: int, insert: int, books: int
) -> None:
    seen, _ = asyncio.run(measured(database, name, "idiomatic", options))
    assert seen == [read, insert, books]


@pytest.mark.parametrize("name", NAMES)
def test_the_matched_lane_waits_once_a_statement_whatever_the_driver(
    database: Database, name: str
) -> None:
    seen, _ = asyncio.run(measured(database, name, "matched", {}))
    assert seen == [1, 1, 3]


@pytest.mark.parametrize("lane", ["idiomatic", "matched"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("asyncpg_pool", {}),
        ("psycopg_pool", {}),
        ("sqlalchemy_async", {}),
        ("sqlalchemy_async", AUTOCOMMIT | PSYCOPG),
        ("sqlalchemy_sync", AUTOCOMMIT | PSYCOPG),
    ],
)
def test_nothing_is_prepared_after_the_pool_is_open(
    database: Database, name: str, options: dict[str, Any], lane: str
) -> None:
    _, parses = asyncio.run(measured(database, name, lane, options))
    assert parses == 0


@pytest.mark.parametrize("name", ["sqlalchemy_sync", "sqlalchemy_async", "psycopg_pool"])
def test_warming_leaves_no_trace_in_how_a_transaction_begins(database: Database, name: str) -> None:
    async def said() -> str:
        address = database.address
        async with (
            tapped(address.host, address.port) as tap,
            opened(name, replace(address, port=tap.port).dsn("wire"), pool_size=1) as adapter,
        ):
            tap.forget()
            await adapter.get_user(7)
            return tap.trips[0].statements[0].sql

    assert asyncio.run(said()) in {"BEGIN", "BEGIN;"}
