"""The ORM's reads, in every way that the options of its adapters name."""

from typing import Any, Literal, TypeAlias

from sqlalchemy import Select, StatementLambdaElement, lambda_stmt, select
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from adapters.base import Endpoint
from adapters.orm import Book, User

Books: TypeAlias = Literal["selectin", "joined", "lazy", "json_agg"]
Style: TypeAlias = Literal["orm", "core"]

_LINKS: dict[str, tuple[ORMOption, ...]] = {
    "selectin": (selectinload(Book.authors), selectinload(Book.genres)),
    "joined": (joinedload(Book.authors), joinedload(Book.genres)),
    "lazy": (),
    "json_agg": (),
}


class Reads:
    """Statements for one value of `books` and of `lambda_statements`.

    `unique` tells whether books come several times over and the result must be made
    `.unique()`: joined to their authors and genres, they do.
    """

    __slots__ = ("_links", "lambdas", "unique")

    def __init__(self, books: Books, *, lambdas: bool) -> None:
        self._links = _LINKS[books]
        self.unique = books == "joined"
        self.lambdas = lambdas

    def users(self, limit: int) -> Select[Any] | StatementLambdaElement:
        """Select the first `limit` users by id."""
        if self.lambdas:
            return lambda_stmt(lambda: select(User).order_by(User.id).limit(limit))
        return select(User).order_by(User.id).limit(limit)

    def user(self, user_id: int) -> StatementLambdaElement:
        """Select one user, as `Session.get` does without a lambda."""
        return lambda_stmt(lambda: select(User).where(User.id == user_id))

    def books(self, limit: int) -> Select[Any] | StatementLambdaElement:
        """Select the first `limit` books by id, and say how their links are loaded."""
        links = self._links
        if self.lambdas:
            return lambda_stmt(lambda: select(Book).order_by(Book.id).limit(limit).options(*links))
        return select(Book).order_by(Book.id).limit(limit).options(*links)


def core_lacks(style: Style, books: Books, endpoint: Endpoint, *, lambdas: bool) -> str | None:
    """Return what cannot be had for want of mapped classes; None with style orm, which has them."""
    if style == "orm":
        return None
    if lambdas:
        return "lambda_statements are of style orm: core sends SQL that is text already"
    if endpoint == "books_list" and books in ("joined", "lazy"):
        return (
            f"books = {books} is of style orm: core has no loaders, its three queries are selectin"
        )
    return None
