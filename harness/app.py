"""SERVED SIDE: one Starlette app for every stack; the environment says which adapter.

`HARNESS_APP` holds JSON: `{"adapter", "options", "dsn", "ready_dir"}`. This module
and `adapters/` import nothing of the measuring side, so that what is measured is
what a service would run: a router, an adapter, one `orjson.dumps`.
"""

import json
import os
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import parse_qs

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters import checkouts, errors, registry
from adapters.base import Adapter, Json, Unsupported

VARIABLE = "HARNESS_APP"

USERS_LIMIT, BOOKS_LIMIT = 100, 20

_INT4_MAX, _INT8_MAX = 2**31 - 1, 2**63 - 1

_STATUS: Mapping[errors.ErrorClass, int] = {
    "pool_timeout": 503,
    "too_many_clients": 503,
    "database": 500,
    "app": 500,
}

_NOT_FOUND = orjson.dumps({"error": "no such user"})


class State(TypedDict):
    """What the lifespan gives every request."""

    adapter: Adapter


@dataclass(frozen=True, slots=True)
class Config:
    """What this process serves; `ready_dir` is where it says that it does."""

    adapter: str
    options: Mapping[str, Any]
    dsn: str
    ready_dir: Path | None


class BadRequest(Exception):
    """What the client sent cannot be used; the message says which part."""


def configured(environment: Mapping[str, str]) -> Config:
    """Read the app's one variable. Raises KeyError or ValueError when it is not as it should be."""
    document = json.loads(environment[VARIABLE])
    ready_dir = document.get("ready_dir")
    return Config(
        adapter=document["adapter"],
        options=document["options"],
        dsn=document["dsn"],
        ready_dir=None if ready_dir is None else Path(ready_dir),
    )


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[State]:
    """Open the pool before the first request; say in `ready_dir` that it is open, or why not."""
    config = configured(os.environ)
    if config.ready_dir is not None:
        checkouts.share(config.ready_dir / f"{os.getpid()}.checkouts")
    async with AsyncExitStack() as stack:
        try:
            adapter = await stack.enter_async_context(_connection(config))
        except Exception as error:
            _report(config, "failed", {"class": errors.classify(error), "message": _told(error)})
            raise
        _report(config, "ready", {})
        yield State(adapter=adapter)


def _connection(config: Config) -> AbstractAsyncContextManager[Adapter]:
    module = registry.load(config.adapter)
    return module.connect(config.dsn, module.Options(**config.options))


async def users_list(request: Request[State]) -> Response:
    """GET /users?limit=100."""
    limit = _limit(request.scope["query_string"], USERS_LIMIT)
    return await _answer(request.scope["state"]["adapter"].list_users(limit))


async def users_get(request: Request[State]) -> Response:
    """GET /users/{user_id}."""
    user_id: int = request.scope["path_params"]["user_id"]
    if user_id > _INT8_MAX:  # no bigint, so no user's
        return _json(_NOT_FOUND, 404)
    return await _answer(request.scope["state"]["adapter"].get_user(user_id))


async def users_insert(request: Request[State]) -> Response:
    """POST /users with {"name", "email"}."""
    name, email = _user(await request.body())
    return await _answer(request.scope["state"]["adapter"].insert_user(name, email), 201)


async def users_insert_fixed(request: Request[State]) -> Response:
    """GET /users/insert-data-to-test: an insert for load generators that can only GET."""
    adapter = request.scope["state"]["adapter"]
    return await _answer(adapter.insert_user("Test User", "test.user@example.com"))


async def books_list(request: Request[State]) -> Response:
    """GET /books?limit=20."""
    limit = _limit(request.scope["query_string"], BOOKS_LIMIT)
    return await _answer(request.scope["state"]["adapter"].list_books(limit))


async def noop(_request: Request[State]) -> Response:
    """GET /noop: the server and nothing else, the ceiling of every stack."""
    return _json(b'{"ok":true}')


async def bad_request(_request: Request, error: Exception) -> Response:
    """Answer what a client got wrong."""
    return _json(orjson.dumps({"error": str(error)}), 400)


async def _answer(work: Awaitable[Json | None], status: int = 200) -> Response:
    """Await the database's work and turn it, or its failure, into a response."""
    try:
        found = await work
        if found is None:
            return _json(_NOT_FOUND, 404)
        return _json(found if isinstance(found, bytes) else orjson.dumps(found), status)
    except Unsupported as error:
        return _failure(501, "unsupported", error)
    # The boundary of the taxonomy: whatever an adapter raises is counted as a class.
    except Exception as error:
        kind = errors.classify(error)
        return _failure(_STATUS[kind], kind, error)


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")


def _failure(status: int, kind: str, error: Exception) -> Response:
    return Response(
        errors.message(error), status, headers={"x-error": kind}, media_type="text/plain"
    )


@lru_cache(maxsize=256)
def _limit(query: bytes, default: int) -> int:
    """Read `limit` from a query string. Cached: a load asks for the same few again and again."""
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("limit")
    if given is None:
        return default
    text = given[-1]
    if text.isascii() and text.isdigit() and 1 <= int(text[:11]) <= _INT4_MAX:
        return int(text)
    raise BadRequest(f"limit: expected a number from 1 to {_INT4_MAX}, got {text[:40]!r}")


def _user(body: bytes) -> tuple[str, str]:
    try:
        user = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"body: not JSON: {error}") from error
    name, email = (user.get("name"), user.get("email")) if isinstance(user, dict) else (None, None)
    if isinstance(name, str) and isinstance(email, str):
        return name, email
    raise BadRequest('body: expected {"name": "...", "email": "..."}')


def _told(error: Exception) -> str:
    """Say `error` with its type, unless it is one of ours, whose message stands alone."""
    said = errors.message(error)
    return said if isinstance(error, registry.AdapterError) else f"{type(error).__name__}: {said}"


def _report(config: Config, kind: str, document: Mapping[str, str]) -> None:
    """Leave `<pid>.<kind>` in `ready_dir`, whole or not at all."""
    if config.ready_dir is None:
        return
    final = config.ready_dir / f"{os.getpid()}.{kind}"
    partial = final.with_suffix(".partial")
    partial.write_bytes(orjson.dumps(document))
    partial.replace(final)


app = Starlette(
    routes=[
        Route("/users/{user_id:int}", users_get),
        Route("/users", users_list),
        Route("/books", books_list),
        Route("/users", users_insert, methods=["POST"]),
        Route("/users/insert-data-to-test", users_insert_fixed),
        Route("/noop", noop),
    ],
    exception_handlers={BadRequest: bad_request},
    lifespan=lifespan,
)
