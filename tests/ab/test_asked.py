"""Which sides a command line asks for, what they are called, and which packages they have."""

from pathlib import Path

import pytest

from harness.ab.asked import Asked, Pair, asked, labels
from harness.ab.pins import Pin, pins, requirements
from harness.errors import BadInput

NAMES = ["asyncpg", "sqlalchemy-sync"]


def pin(name: str, version: str, *extras: str) -> Pin:
    return Pin(name, frozenset(extras), version)


def pair(one: str, other: str) -> Pair:
    return Asked(one), Asked(other)


@pytest.mark.parametrize(
    ("words", "given", "sides", "matrix"),
    [
        (["HEAD~1", "HEAD"], [], pair("HEAD~1", "HEAD"), "matrix.toml"),
        (["v1", ".", "x/m.toml"], [], pair("v1", "."), "x/m.toml"),
        (
            ["m.toml"],
            ["asyncpg==0.31.0", "asyncpg==0.32.0"],
            (Asked(None, (pin("asyncpg", "0.31.0"),)), Asked(None, (pin("asyncpg", "0.32.0"),))),
            "m.toml",
        ),
        (
            [],
            ["psycopg[binary,pool]==3.2.0, psycopg_pool==3.2.6", "uvloop==0.22.1 orjson==3.11"],
            (
                Asked(
                    None, (pin("psycopg", "3.2.0", "binary", "pool"), pin("psycopg-pool", "3.2.6"))
                ),
                Asked(None, (pin("uvloop", "0.22.1"), pin("orjson", "3.11"))),
            ),
            "matrix.toml",
        ),
    ],
)
def test_the_sides_and_the_matrix_of_a_command_line(
    words: list[str], given: list[str], sides: Pair, matrix: str
) -> None:
    assert asked(words, given) == (sides, Path(matrix))


@pytest.mark.parametrize(
    ("words", "given", "complaint"),
    [
        ([], [], "expected two revisions and a matrix"),
        (["matrix.toml"], [], "expected two revisions and a matrix"),
        (["a", "b", "c", "d"], [], "expected two revisions and a matrix"),
        (["HEAD", "HEAD", "m.toml"], [], "both sides are HEAD"),
        ([".", "."], [], "both sides are working-tree"),
        (["m.toml"], ["asyncpg==1"], "expected it twice, once for each side, got it 1 time;"),
        (["m.toml"], ["a==1", "a==2", "a==3"], "got it 3 times"),
        (["m.toml"], ["a==1", "A==1"], "both sides are a==1"),
        (["a", "b", "m.toml"], ["c==1", "c==2"], "a and b are two revisions"),
        (["m.toml"], ["asyncpg", "asyncpg==1"], "--with asyncpg: expected a package and its"),
        (["m.toml"], ["asyncpg>=1", "asyncpg==1"], "--with asyncpg>=1: expected"),
        (["m.toml"], ["--quick", "asyncpg==1"], "--with --quick: expected"),
        (["m.toml"], ["", "asyncpg==1"], "--with '': expected"),
        (["m.toml"], ["a==1 A==2", "a==1"], "names a twice"),
        (["m.toml"], ["a==1; rm", "a==1"], "--with a==1;: expected"),
    ],
)
def test_what_cannot_be_asked_for_is_one_line(
    words: list[str], given: list[str], complaint: str
) -> None:
    with pytest.raises(BadInput) as caught:
        asked(words, given)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("sides", "called"),
    [
        (pair("HEAD~1", "origin/main"), ("HEAD~1", "origin/main")),
        (pair("v1", "."), ("v1", "working-tree")),
        (pair("HEAD@{1}", "HEAD"), ("A", "B")),
        (pair("v1", "a-branch-with-a-name-of-39-characters--"), ("A", "B")),
        (
            (
                Asked(None, pins("asyncpg==0.31.0,orjson==3.11")),
                Asked(None, pins("asyncpg==0.32.0")),
            ),
            ("asyncpg==0.31.0,orjson==3.11", "asyncpg==0.32.0"),
        ),
        ((Asked(None, pins("psycopg[pool]==3")), Asked(None, pins("psycopg==3"))), ("A", "B")),
    ],
)
def test_a_side_is_called_what_it_was_asked_for_as_where_that_can_be_a_name(
    sides: Pair, called: tuple[str, str]
) -> None:
    assert labels(sides, NAMES) == called
    # A backend is found by this, of which Postgres keeps 63 bytes.
    assert all(len(f"harness-{name}@{label}") <= 63 for name in NAMES for label in called)


@pytest.mark.parametrize(
    ("dependencies", "wanted", "needed"),
    [
        (["asyncpg==0.32.0", "orjson>=3"], "asyncpg==0.31.0", ["orjson>=3", "asyncpg==0.31.0"]),
        (
            ["psycopg[binary,pool]==3.3.9", "psycopg-pool==3.3.3"],
            "psycopg==3.2.0",
            ["psycopg-pool==3.3.3", "psycopg[binary,pool]==3.2.0"],
        ),
        (["Foo.Bar >= 1"], "foo_bar==2", ["foo-bar==2"]),
        (["scipy>=1", "numpy>=2", "uvloop>=0.22"], "x==1", ["uvloop>=0.22", "x==1"]),
        (["numpy>=2"], "numpy==2.1", ["numpy==2.1"]),
    ],
)
def test_a_pin_takes_the_place_of_what_the_tree_asks_for(
    dependencies: list[str], wanted: str, needed: list[str]
) -> None:
    assert requirements(dependencies, pins(wanted)) == needed
