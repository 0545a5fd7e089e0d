import re
from dataclasses import astuple

from adapters.books import with_links
from adapters.sql import NAMED, NUMBERED, POSITIONAL


def test_the_three_styles_are_the_same_statements() -> None:
    for numbered, positional, named in zip(
        astuple(NUMBERED), astuple(POSITIONAL), astuple(NAMED), strict=True
    ):
        assert re.sub(r"\$\d", "?", numbered) == positional.replace("%s", "?")
        assert re.sub(r"(?<!:):\w+", "?", named) == positional.replace("%s", "?")


def test_numbers_count_in_the_order_of_the_parameters() -> None:
    assert "VALUES ($1, $2)" in NUMBERED.insert_user
    assert "VALUES (:name, :email)" in NAMED.insert_user


def test_links_go_to_their_books_in_the_order_they_come() -> None:
    books = [{"id": 2}, {"id": 1}]
    linked = with_links(books, [(1, 5, "e"), (2, 6, "f"), (1, 7, "g")], [(2, 9, "i")])
    assert linked == [
        {"id": 2, "authors": [{"id": 6, "name": "f"}], "genres": [{"id": 9, "name": "i"}]},
        {"id": 1, "authors": [{"id": 5, "name": "e"}, {"id": 7, "name": "g"}], "genres": []},
    ]
