"""The bare apps of `stacks.py`: what somebody would write who needs this one endpoint.

One route, the driver's calls in line. A module of its own and few imports, because
what a process has imported is what its garbage collector walks through.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

POOL = 4
"""Fewer connections than clients: SQLAlchemy opens them as they are needed, the adapters all at
once, and a request costs more CPU the more connections take turns."""

VARIABLE = "BARE_ROUTE"

USER = "SELECT id, name, email, created_at FROM harness.users WHERE id = {}"
BOOKS = "SELECT id, title, isbn, price_cents, published FROM harness.books ORDER BY id LIMIT {}"
AUTHORS = """SELECT l.book_id, a.id, a.name FROM harness.book_authors l
JOIN harness.authors a ON a.id = l.author_id WHERE l.book_id = ANY({}) ORDER BY a.id"""
GENRES = """SELECT l.book_id, g.id, g.name FROM harness.book_genres l
JOIN harness.genres g ON g.id = l.genre_id WHERE l.book_id = ANY({}) ORDER BY g.id"""


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
    engine = create_async_engine(url, connect_args={"dsn": dsn}, pool_size=POOL, max_overflow=0)

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
        "postgresql+psycopg2://",
        creator=lambda: psycopg2.connect(dsn),
        pool_size=POOL,
        max_overflow=0,
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
