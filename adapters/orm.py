"""The tables as SQLAlchemy sees them, for its synchronous and asynchronous adapters."""

import datetime
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    MetaData,
    Table,
    TextClause,
    bindparam,
    func,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from adapters.sql import NAMED


class Base(DeclarativeBase):
    """Every table is named with its schema: nothing depends on a search path."""

    metadata = MetaData(schema="harness")


book_authors = Table(
    "book_authors",
    Base.metadata,
    Column("book_id", ForeignKey("harness.books.id"), primary_key=True),
    Column("author_id", ForeignKey("harness.authors.id"), primary_key=True),
)

book_genres = Table(
    "book_genres",
    Base.metadata,
    Column("book_id", ForeignKey("harness.books.id"), primary_key=True),
    Column("genre_id", ForeignKey("harness.genres.id"), primary_key=True),
)


class User(Base):
    """A row of `harness.users`."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
    created_at: Mapped[datetime.datetime] = mapped_column(server_default=func.now())


class Author(Base):
    """A row of `harness.authors`."""

    __tablename__ = "authors"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str]


class Genre(Base):
    """A row of `harness.genres`."""

    __tablename__ = "genres"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str]


class Book(Base):
    """A row of `harness.books`, with the authors and genres it is linked to."""

    __tablename__ = "books"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    title: Mapped[str]
    isbn: Mapped[str]
    price_cents: Mapped[int]
    published: Mapped[datetime.date]
    authors: Mapped[list[Author]] = relationship(secondary=book_authors, order_by=Author.id)
    genres: Mapped[list[Genre]] = relationship(secondary=book_genres, order_by=Genre.id)


def user_json(user: User) -> dict[str, Any]:
    """Turn a loaded user into the answer's shape."""
    return {
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "created_at": user.created_at,
    }


def book_json(book: Book) -> dict[str, Any]:
    """Turn a book with its links loaded into the answer's shape."""
    return {
        "id": book.id,
        "title": book.title,
        "isbn": book.isbn,
        "price_cents": book.price_cents,
        "published": book.published,
        "authors": _links_json(book.authors),
        "genres": _links_json(book.genres),
    }


# Rows of `Shared` are unpacked: `.mappings()` and `_asdict()` look every column up by
# name, which for 100 users nearly doubles the CPU of the whole call.


def user_row_json(row: Sequence[Any]) -> dict[str, Any]:
    """Turn a row of `Shared`'s users into the answer's shape."""
    user_id, name, email, created_at = row
    return {"id": user_id, "name": name, "email": email, "created_at": created_at}


def book_row_json(row: Sequence[Any]) -> dict[str, Any]:
    """Turn a row of `Shared.list_books` into the answer's shape, without its links."""
    book_id, title, isbn, price_cents, published = row
    return {
        "id": book_id,
        "title": title,
        "isbn": isbn,
        "price_cents": price_cents,
        "published": published,
    }


def _links_json(links: Sequence[Author | Genre]) -> list[dict[str, Any]]:
    return [{"id": each.id, "name": each.name} for each in links]


_LIMIT = bindparam("limit", type_=BigInteger)
_IDS = bindparam("ids", type_=ARRAY(BigInteger))


class Shared:
    """The SQL of `adapters.sql` as SQLAlchemy takes it.

    The parameters are typed because its asyncpg dialect writes a cast for each,
    and would write one to `INTEGER` for a number whose type it has to guess.
    """

    get_user: TextClause = text(NAMED.get_user).bindparams(bindparam("id", type_=BigInteger))
    list_users: TextClause = text(NAMED.list_users).bindparams(_LIMIT)
    insert_user: TextClause = text(NAMED.insert_user)
    delete_user: TextClause = text("DELETE FROM harness.users WHERE id = :id").bindparams(
        bindparam("id", type_=BigInteger)
    )
    list_books: TextClause = text(NAMED.list_books).bindparams(_LIMIT)
    book_authors: TextClause = text(NAMED.book_authors).bindparams(_IDS)
    book_genres: TextClause = text(NAMED.book_genres).bindparams(_IDS)
    list_books_json: TextClause = text(NAMED.list_books_json).bindparams(_LIMIT)
