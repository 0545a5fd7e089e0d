"""Books put together from three flat results: the part that no driver does."""

from collections.abc import Iterable, Sequence
from typing import Any


def with_links(
    books: Sequence[dict[str, Any]],
    authors: Iterable[Sequence[Any]],
    genres: Iterable[Sequence[Any]],
) -> Sequence[dict[str, Any]]:
    """Give each of `books` its `authors` and `genres`, and return `books`.

    A link is a row of (book_id, id, name); links keep the order they come in.
    """
    authors_of: dict[int, list[dict[str, Any]]] = {}
    genres_of: dict[int, list[dict[str, Any]]] = {}
    for book in books:
        # The keys go in here, in the order the answer has them.
        book["authors"] = authors_of[book["id"]] = []
        book["genres"] = genres_of[book["id"]] = []
    for book_id, author_id, name in authors:
        authors_of[book_id].append({"id": author_id, "name": name})
    for book_id, genre_id, name in genres:
        genres_of[book_id].append({"id": genre_id, "name": name})
    return books
