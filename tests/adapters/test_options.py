"""Every variant of every stack: the same bytes, and what cannot be had is said beforehand."""

import asyncio
import tomllib
from collections.abc import Mapping
from typing import Any, get_args

import pytest
from sqlalchemy.exc import MissingGreenlet

from adapters import registry
from adapters.base import Adapter, Endpoint
from harness import plan
from harness.errors import BadInput
from harness.matrix import parse
from tests.adapters.stacks import encoded, opened
from tests.conftest import Database
from tests.factories import a_matrix

ENDPOINTS: tuple[Endpoint, ...] = get_args(Endpoint)

VARIANTS: Mapping[str, list[dict[str, Any]]] = {
    "asyncpg_pool": [
        {"autocommit": False},
        {"max_overflow": 2},
        {"prepared": False},
        {"reset": False},
    ],
    "psycopg_pool": [
        {"binary": True},
        {"max_overflow": 2},
        {"pool_pre_ping": True, "pool_recycle": 60},
        {"prepared": False, "autocommit": True},
    ],
    "sqlalchemy_async": [
        {"books": "joined"},
        {"books": "json_agg"},
        {"style": "core", "books": "json_agg"},
        {"driver": "psycopg"},
        {"driver": "psycopg", "style": "core", "autocommit": True},
        {"driver": "psycopg", "prepared": False},
        {"echo": True},
        {"lambda_statements": True},
        {"lambda_statements": True, "books": "joined"},
        {"pool_pre_ping": True, "pool_recycle": 60},
        {"prepared": False},
    ],
    "sqlalchemy_sync": [
        {"books": "joined"},
        {"books": "json_agg"},
        {"books": "lazy"},
        {"style": "core", "books": "json_agg"},
        {"driver": "psycopg"},
        {"driver": "psycopg", "style": "core", "autocommit": True},
        {"driver": "psycopg", "prepared": False},
        {"driver": "psycopg", "prepared": True},
        {"echo": True},
        {"lambda_statements": True},
        {"pool_pre_ping": True, "pool_recycle": 60},
        {"session": "after_response"},
        {"session": "after_response", "style": "core"},
        {"session": "three_hops"},
        {"session": "three_hops", "style": "core"},
        {"threads": 1},
    ],
}


async def everything(adapter: Adapter) -> list[bytes]:
    return [
        encoded(await adapter.list_users(100)),
        encoded(await adapter.get_user(7)),
        encoded(await adapter.list_books(20)),
        encoded(await adapter.get_user(2**40)),
    ]


@pytest.fixture(scope="module")
def plain(database: Database) -> list[bytes]:
    """Return the answers of a stack without options; test_answers.py has shown them to be right."""

    async def answers() -> list[bytes]:
        async with opened("asyncpg_pool", database.dsn, pool_size=1) as adapter:
            return await everything(adapter)

    return asyncio.run(answers())


@pytest.mark.parametrize(
    ("name", "options"),
    [(name, options) for name, each in VARIANTS.items() for options in each],
    ids=str,
)
def test_every_variant_answers_with_the_same_bytes_and_inserts_for_good(
    database: Database, plain: list[bytes], name: str, options: dict[str, Any]
) -> None:
    async def answers() -> list[bytes]:
        async with opened(name, database.dsn, pool_size=1, **options) as adapter:
            found = await everything(adapter)
            row: Any = await adapter.insert_user("n", "e")
            assert await adapter.get_user(row["id"]) == row
            return found

    module = registry.load(name)
    for endpoint in ENDPOINTS:
        assert registry.unsupported(module, module.Options(**options), endpoint) is None
    assert asyncio.run(answers()) == plain


IMPOSSIBLE: list[tuple[str, dict[str, Any], list[Endpoint], str]] = [
    ("sqlalchemy_sync", {"prepared": True}, list(ENDPOINTS), "psycopg2 cannot prepare"),
    ("sqlalchemy_async", {"books": "lazy"}, ["books_list"], "MissingGreenlet"),
    ("sqlalchemy_sync", {"style": "core", "books": "lazy"}, ["books_list"], "style orm"),
    ("sqlalchemy_async", {"style": "core", "books": "joined"}, ["books_list"], "style orm"),
    (
        "sqlalchemy_sync",
        {"style": "core", "lambda_statements": True},
        list(ENDPOINTS),
        "style orm",
    ),
]


@pytest.mark.parametrize(("name", "options", "endpoints", "why"), IMPOSSIBLE, ids=str)
def test_what_cannot_be_honoured_is_said_for_the_endpoints_it_concerns(
    name: str, options: dict[str, Any], endpoints: list[Endpoint], why: str
) -> None:
    group = {"name": "g", "endpoint": list(ENDPOINTS)}
    matrix = a_matrix(stack=[{"name": "s", "adapter": name, "options": options}], group=[group])
    refused = {
        setting.endpoint: reasons["s"]
        for setting in plan.settings(matrix)
        if (reasons := plan.refusals(matrix, setting))
    }
    assert refused.keys() == set(endpoints)
    assert all(why in reason for reason in refused.values())


def test_lazy_loading_under_asyncio_is_the_error_it_is_refused_for(database: Database) -> None:
    async def load() -> None:
        async with opened("sqlalchemy_async", database.dsn, pool_size=1, books="lazy") as adapter:
            assert await adapter.get_user(7)
            await adapter.list_books(1)

    with pytest.raises(MissingGreenlet):
        asyncio.run(load())


@pytest.mark.parametrize(
    ("adapter", "option", "said"),
    [
        ("asyncpg_pool", "pool_timeout = 0", "pool_timeout: expected greater than 0, got 0"),
        (
            "sqlalchemy_sync",
            "threads = 0",
            "threads: expected greater than or equal to 1, got 0",
        ),
        (
            "psycopg_pool",
            "max_overflow = -1",
            "max_overflow: expected greater than or equal to 0, got -1",
        ),
        ("psycopg_pool", "pool_recycle = 0", "pool_recycle: expected greater than 0, got 0"),
        (
            "sqlalchemy_async",
            'books = "queries"',
            "books: expected 'selectin', 'joined', 'lazy' or 'json_agg', got \"queries\"",
        ),
        (
            "sqlalchemy_sync",
            'session = "two_hops"',
            "session: expected 'one_hop', 'three_hops' or 'after_response', got \"two_hops\"",
        ),
    ],
)
def test_a_value_out_of_range_is_one_line(adapter: str, option: str, said: str) -> None:
    stack = f'[[stack]]\nname = "s"\nadapter = "{adapter}"\noptions = {{ {option} }}\n'
    group = '[[group]]\nname = "g"\nendpoint = ["users_get"]\n'
    with pytest.raises(BadInput) as caught:
        parse(tomllib.loads(stack + group), "m")
    assert str(caught.value) == f"stack[0].options.{said}"
