"""The SQL that all adapters share, in the three ways drivers write a placeholder.

Rendered once at import: a request never formats a statement.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

_GET_USER = "SELECT id, name, email, created_at FROM harness.users WHERE id = {id}"

_LIST_USERS = "SELECT id, name, email, created_at FROM harness.users ORDER BY id LIMIT {limit}"

_INSERT_USER = """\
INSERT INTO harness.users (name, email) VALUES ({name}, {email})
RETURNING id, name, email, created_at"""

_LIST_BOOKS = """\
SELECT id, title, isbn, price_cents, published FROM harness.books ORDER BY id LIMIT {limit}"""

_BOOK_AUTHORS = """\
SELECT link.book_id, a.id, a.name
FROM harness.book_authors AS link JOIN harness.authors AS a ON a.id = link.author_id
WHERE link.book_id = ANY(CAST({ids} AS bigint[])) ORDER BY a.id"""

_BOOK_GENRES = """\
SELECT link.book_id, g.id, g.name
FROM harness.book_genres AS link JOIN harness.genres AS g ON g.id = link.genre_id
WHERE link.book_id = ANY(CAST({ids} AS bigint[])) ORDER BY g.id"""

# row_to_json and array_to_json, because they write no blank and keep the order of
# columns: json_agg and json_build_object put blanks in, jsonb sorts the keys.
_LIST_BOOKS_JSON = """\
SELECT coalesce(array_to_json(array_agg(row_to_json(book))), '[]')::text
FROM (
  SELECT b.id, b.title, b.isbn, b.price_cents, b.published,
    (SELECT coalesce(array_to_json(array_agg(row_to_json(author))), '[]') FROM (
      SELECT a.id, a.name
      FROM harness.book_authors AS link JOIN harness.authors AS a ON a.id = link.author_id
      WHERE link.book_id = b.id ORDER BY a.id) AS author) AS authors,
    (SELECT coalesce(array_to_json(array_agg(row_to_json(genre))), '[]') FROM (
      SELECT g.id, g.name
      FROM harness.book_genres AS link JOIN harness.genres AS g ON g.id = link.genre_id
      WHERE link.book_id = b.id ORDER BY g.id) AS genre) AS genres
  FROM harness.books AS b ORDER BY b.id LIMIT {limit}
) AS book"""


@dataclass(frozen=True, slots=True)
class Statements:
    """Every statement of the four endpoints, in one placeholder style."""

    get_user: str
    list_users: str
    insert_user: str
    list_books: str
    book_authors: str
    book_genres: str
    list_books_json: str


def _rendered(placeholder: Callable[[int, str], str]) -> Statements:
    """Write each `{name}` as `placeholder(position, name)`, positions counted from 1."""

    def render(template: str) -> str:
        names = re.findall(r"\{(\w+)\}", template)
        return template.format_map(
            {name: placeholder(at, name) for at, name in enumerate(names, start=1)}
        )

    return Statements(
        get_user=render(_GET_USER),
        list_users=render(_LIST_USERS),
        insert_user=render(_INSERT_USER),
        list_books=render(_LIST_BOOKS),
        book_authors=render(_BOOK_AUTHORS),
        book_genres=render(_BOOK_GENRES),
        list_books_json=render(_LIST_BOOKS_JSON),
    )


NUMBERED = _rendered(lambda at, _name: f"${at}")
"""`$1`: asyncpg."""

POSITIONAL = _rendered(lambda _at, _name: "%s")
"""`%s`: psycopg, psycopg2."""

NAMED = _rendered(lambda _at, name: f":{name}")
"""`:name`: SQLAlchemy's `text()`."""
