"""What the harness's app and adapters add to a request: CPU against a bare route.

    python benchmarks/stacks.py [--measure 10] [--only GLOB]

For each adapter's idiomatic lane the same endpoint is served twice by the same
Granian: by `harness.app`, and by a Starlette app of one route with the driver's
calls in line (below). The harness's own generator loads them by turns in short slices
and reads the CPU clocks of their processes at the edges of each. Printed: medians of
CPU per request, and the mean ratio harness / bare of neighbouring slices with its 95 %
t interval, on the log scale.

Needs two cores. Not called `adapters.py`, because a script's own
folder comes first on the path and would hide the package.
"""

import argparse
import asyncio
import contextlib
import fnmatch
import math
import os
import random
import statistics
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import orjson
from scipy import stats
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from harness.database.dataset import dataset
from harness.database.embedded import cluster
from harness.load.http import request_bytes
from harness.load.job import Answer, Job, Target, TargetAnswer
from harness.load.job import Request as LoadRequest
from harness.processes import Processes, finished, tree, watched
from harness.server import Server, _argv, _environment, _reserved, fetch, serve

NAMES = ("asyncpg_pool", "psycopg_pool", "sqlalchemy_async", "sqlalchemy_sync")
PATHS = {"users_get": "/users/7", "books_list": "/books?limit=20"}
POOL = 10
SLICE_S = 0.1
CONNECTIONS = 16
APP_CORE, LOAD_CORE = frozenset({0}), frozenset({1})

VARIABLE = "BARE_ROUTE"

USER = "SELECT id, name, email, created_at FROM harness.users WHERE id = {}"
BOOKS = "SELECT id, title, isbn, price_cents, published FROM harness.books ORDER BY id LIMIT {}"
AUTHORS = """SELECT l.book_id, a.id, a.name FROM harness.book_authors l
JOIN harness.authors a ON a.id = l.author_id WHERE l.book_id = ANY({}) ORDER BY a.id"""
GENRES = """SELECT l.book_id, g.id, g.name FROM harness.book_genres l
JOIN harness.genres g ON g.id = l.genre_id WHERE l.book_id = ANY({}) ORDER BY g.id"""


# --- the bare apps: what somebody would write who needs this one endpoint ---


def bare() -> Starlette:
    """Make the app that the environment names, for `granian --factory`."""
    adapter, endpoint, dsn = orjson.loads(os.environ[VARIABLE])
    return cast("Starlette", globals()[f"{adapter}_{endpoint}"](dsn))


def json(found: object) -> Response:
    """Answer with `found`."""
    return Response(orjson.dumps(found), media_type="application/json")


def assembled(
    books: list[dict[str, Any]], authors: Sequence[Any], genres: Sequence[Any]
) -> list[dict[str, Any]]:
    """Put links into their books."""
    by_id = {}
    for book in books:
        book["authors"], book["genres"] = [], []
        by_id[book["id"]] = book
    for book_id, link_id, name in authors:
        by_id[book_id]["authors"].append({"id": link_id, "name": name})
    for book_id, link_id, name in genres:
        by_id[book_id]["genres"].append({"id": link_id, "name": name})
    return books


def asyncpg_pool(dsn: str, path: str, route: Any) -> Starlette:
    """Make what both routes of this driver need."""
    import asyncpg

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with asyncpg.create_pool(dsn, min_size=POOL, max_size=POOL) as pool:
            yield {"pool": pool}

    return Starlette(routes=[Route(path, route)], lifespan=lifespan)


def asyncpg_pool_users_get(dsn: str) -> Starlette:
    """Serve GET /users/{user_id}."""
    query = USER.format("$1")

    async def route(request: Request) -> Response:
        user_id = request.path_params["user_id"]
        async with request.state.pool.acquire(timeout=30.0) as connection:
            row = await connection.fetchrow(query, user_id)
        return json(dict(row))

    return asyncpg_pool(dsn, "/users/{user_id:int}", route)


def asyncpg_pool_books_list(dsn: str) -> Starlette:
    """Serve GET /books."""
    books, authors, genres = (each.format("$1") for each in (BOOKS, AUTHORS, GENRES))

    async def route(request: Request) -> Response:
        limit = int(request.query_params.get("limit", 20))
        async with request.state.pool.acquire(timeout=30.0) as connection:
            rows = [dict(row) for row in await connection.fetch(books, limit)]
            ids = [row["id"] for row in rows]
            author_rows = await connection.fetch(authors, ids)
            genre_rows = await connection.fetch(genres, ids)
        return json(assembled(rows, author_rows, genre_rows))

    return asyncpg_pool(dsn, "/books", route)


def psycopg_pool(dsn: str, path: str, route: Any) -> Starlette:
    """Make what both routes of this driver need."""
    from psycopg.rows import dict_row
    from psycopg_pool import AsyncConnectionPool

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Any]]:
        pool = AsyncConnectionPool(
            dsn, min_size=POOL, max_size=POOL, kwargs={"row_factory": dict_row}, open=False
        )
        await pool.open(wait=True)
        yield {"pool": pool}
        await pool.close()

    return Starlette(routes=[Route(path, route)], lifespan=lifespan)


def psycopg_pool_users_get(dsn: str) -> Starlette:
    """Serve GET /users/{user_id}."""
    query = USER.format("%s")

    async def route(request: Request) -> Response:
        user_id = request.path_params["user_id"]
        async with request.state.pool.connection() as connection:
            cursor = await connection.execute(query, (user_id,))
            row = await cursor.fetchone()
        return json(row)

    return psycopg_pool(dsn, "/users/{user_id:int}", route)


def psycopg_pool_books_list(dsn: str) -> Starlette:
    """Serve GET /books."""
    from psycopg.rows import tuple_row

    books, authors, genres = (each.format("%s") for each in (BOOKS, AUTHORS, GENRES))

    async def route(request: Request) -> Response:
        limit = int(request.query_params.get("limit", 20))
        async with request.state.pool.connection() as connection:
            rows = await (await connection.execute(books, (limit,))).fetchall()
            ids = [row["id"] for row in rows]
            links = connection.cursor(row_factory=tuple_row)
            author_rows = await (await links.execute(authors, (ids,))).fetchall()
            genre_rows = await (await links.execute(genres, (ids,))).fetchall()
        return json(assembled(rows, author_rows, genre_rows))

    return psycopg_pool(dsn, "/books", route)


def user_json(user: Any) -> dict[str, Any]:
    """Turn a user into the answer."""
    return {
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "created_at": user.created_at,
    }


def book_json(book: Any) -> dict[str, Any]:
    """Turn a book into the answer."""
    return {
        "id": book.id,
        "title": book.title,
        "isbn": book.isbn,
        "price_cents": book.price_cents,
        "published": book.published,
        "authors": [{"id": each.id, "name": each.name} for each in book.authors],
        "genres": [{"id": each.id, "name": each.name} for each in book.genres],
    }


def sqlalchemy_async(dsn: str) -> tuple[Any, Any]:
    """Make what both routes of this driver need."""
    from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

    url = "postgresql+asyncpg://"
    engine = create_async_engine(url, connect_args={"dsn": dsn}, pool_size=POOL)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    return async_sessionmaker(engine), lifespan


def sqlalchemy_async_users_get(dsn: str) -> Starlette:
    """Serve GET /users/{user_id}."""
    from adapters.orm import User

    sessions, lifespan = sqlalchemy_async(dsn)

    async def route(request: Request) -> Response:
        async with sessions() as session:
            return json(user_json(await session.get(User, request.path_params["user_id"])))

    return Starlette(routes=[Route("/users/{user_id:int}", route)], lifespan=lifespan)


def sqlalchemy_async_books_list(dsn: str) -> Starlette:
    """Serve GET /books."""
    from sqlalchemy import select
    from sqlalchemy.orm import selectinload

    from adapters.orm import Book

    sessions, lifespan = sqlalchemy_async(dsn)

    async def route(request: Request) -> Response:
        limit = int(request.query_params.get("limit", 20))
        query = (
            select(Book)
            .order_by(Book.id)
            .limit(limit)
            .options(selectinload(Book.authors), selectinload(Book.genres))
        )
        async with sessions() as session:
            return json([book_json(book) for book in await session.scalars(query)])

    return Starlette(routes=[Route("/books", route)], lifespan=lifespan)


def sqlalchemy_sync(dsn: str) -> tuple[Any, Any]:
    """Make what both routes of this driver need."""
    import psycopg2  # type: ignore[import-untyped]
    from sqlalchemy import create_engine
    from sqlalchemy.orm import sessionmaker

    engine = create_engine(
        "postgresql+psycopg2://", creator=lambda: psycopg2.connect(dsn), pool_size=POOL
    )

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        engine.dispose()

    return sessionmaker(engine), lifespan


def sqlalchemy_sync_users_get(dsn: str) -> Starlette:
    """Serve GET /users/{user_id}."""
    from adapters.orm import User

    sessions, lifespan = sqlalchemy_sync(dsn)

    def route(request: Request) -> Response:
        with sessions() as session:
            return json(user_json(session.get(User, request.path_params["user_id"])))

    return Starlette(routes=[Route("/users/{user_id:int}", route)], lifespan=lifespan)


def sqlalchemy_sync_books_list(dsn: str) -> Starlette:
    """Serve GET /books."""
    from sqlalchemy import select
    from sqlalchemy.orm import selectinload

    from adapters.orm import Book

    sessions, lifespan = sqlalchemy_sync(dsn)

    def route(request: Request) -> Response:
        limit = int(request.query_params.get("limit", 20))
        query = (
            select(Book)
            .order_by(Book.id)
            .limit(limit)
            .options(selectinload(Book.authors), selectinload(Book.genres))
        )
        with sessions() as session:
            return json([book_json(book) for book in session.scalars(query)])

    return Starlette(routes=[Route("/books", route)], lifespan=lifespan)


# --- the measurement ---


@contextlib.asynccontextmanager
async def bare_server(
    processes: Processes, name: str, endpoint: str, dsn: str, password: str | None
) -> AsyncIterator[Server]:
    """Serve the bare app with the harness's own Granian flags."""
    environment = _environment(os.environ, "", password)
    environment[VARIABLE] = orjson.dumps([name, endpoint, dsn]).decode()
    environment["PYTHONPATH"] = str(Path(__file__).parent)
    with _reserved(None) as port:
        argv = [*_argv(port, 1, CONNECTIONS)[:-1], "--factory", f"{Path(__file__).stem}:bare"]
        async with processes.start(argv, env=environment, cpus=APP_CORE) as process:
            server = Server("bare", "127.0.0.1", port, process.pid, ())
            await answered(server, PATHS[endpoint])
            yield server


async def answered(server: Server, path: str) -> None:
    """Wait for the first answer of a server that is starting."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(OSError):
                await fetch(server, "GET", path)
                return
            await asyncio.sleep(0.02)


async def loaded(
    processes: Processes, servers: Sequence[Server], path: str, body: bytes, measure_s: float
) -> tuple[TargetAnswer, ...]:
    """Load the servers by turns with the harness's generator, the order of each round random."""
    chance = random.Random(1)
    rounds = tuple(tuple(chance.sample(range(len(servers)), len(servers))) for _ in range(997))
    job = Job(
        timeout_s=10.0,
        slice_s=SLICE_S,
        warmup_s=2.0,
        measure_s=measure_s,
        targets=tuple(target(each, path, body) for each in servers),
        rounds=rounds,
    )
    with processes.directory("stacks-") as folder:
        (folder / "job").write_bytes(job.to_json())
        argv = [sys.executable, "-m", "harness.load.generator"]
        with (folder / "job").open("rb") as said, (folder / "answer").open("wb") as heard:
            async with processes.start(argv, stdin=said, stdout=heard, cpus=LOAD_CORE) as generator:
                assert await finished(generator) == 0, "the generator failed"
        return Answer.from_json((folder / "answer").read_bytes()).targets


def target(server: Server, path: str, body: bytes) -> Target:
    """Describe a server to the generator."""
    request = LoadRequest(request_bytes("GET", path, "127.0.0.1"), 200, body)
    pids = tuple(tree(server.pid))
    return Target(server.name, server.host, server.port, CONNECTIONS, (request,), pids)


def cpu_us(answer: TargetAnswer) -> list[float]:
    """App CPU per request of each slice, in the order of the rounds."""
    assert not answer.errors, answer.messages
    return [(each.app_cpu_ns or 0) / each.requests / 1e3 for each in answer.slices]


def interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Mean of log ratios and its 95 % t interval, as ratios again."""
    logs = [math.log(each) for each in ratios]
    mean = statistics.fmean(logs)
    half = stats.t.ppf(0.975, len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def cells(only: str) -> Iterator[tuple[str, str]]:
    """Yield the cells that `only` matches."""
    for name in NAMES:
        for endpoint in PATHS:
            if fnmatch.fnmatch(f"{name} {endpoint}", only):
                yield name, endpoint


async def main(arguments: argparse.Namespace) -> None:
    """Measure every cell and print its line."""
    settings = {"synchronous_commit": "off", "jit": "off"}
    with watched() as processes:
        async with (
            cluster(processes, settings, LOAD_CORE) as (address, _),
            dataset(address, users=100, books=200),
        ):
            dsn, password = address.dsn("benchmark"), address.password
            print(f"{'adapter':18}{'endpoint':12}{'harness us':>12}{'bare us':>10}   ratio")
            for name, endpoint in cells(arguments.only):
                path = PATHS[endpoint]
                async with (
                    serve(
                        processes,
                        name="harness",
                        adapter=name,
                        options={"pool_size": POOL},
                        dsn=dsn,
                        password=password,
                        workers=1,
                        connections=CONNECTIONS,
                        cpus=APP_CORE,
                    ) as ours,
                    bare_server(processes, name, endpoint, dsn, password) as theirs,
                ):
                    body = (await fetch(ours, "GET", path)).body
                    assert (await fetch(theirs, "GET", path)).body == body, "different answers"
                    servers = (ours, theirs)
                    answers = await loaded(processes, servers, path, body, arguments.measure)
                report(name, endpoint, *map(cpu_us, answers))


def report(name: str, endpoint: str, ours: Sequence[float], theirs: Sequence[float]) -> None:
    """Print one line."""
    mean, low, high = interval([a / b for a, b in zip(ours, theirs, strict=True)])
    print(
        f"{name:18}{endpoint:12}{statistics.median(ours):12.1f}{statistics.median(theirs):10.1f}"
        f"   {mean:.3f} [{low:.3f}, {high:.3f}]  of {len(ours)}",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=sys.modules[__name__].__doc__)
    parser.add_argument("--measure", type=float, default=10.0, help="seconds per server")
    parser.add_argument("--only", default="*", help="a glob on 'adapter endpoint'")
    asyncio.run(main(parser.parse_args()))
