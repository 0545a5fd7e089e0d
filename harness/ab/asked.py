"""The two sides that a command line asks for, and what they are called. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.ab.pins import Pin, pins
from harness.counted import counted
from harness.errors import BadInput

HERE = "."
WORKING_TREE = "working-tree"
MATRIX = Path("matrix.toml")

NAME = re.compile(r"[A-Za-z0-9._+~^/=,-]+")
LONGEST = 54
"""Of a stack's name and its side's: with them a backend has a name of 63 bytes, which is all
that Postgres keeps."""

LETTERS = ("A", "B")


@dataclass(frozen=True, slots=True)
class Asked:
    """One side: a `revision` of this repository, or this tree with the packages `pins`.

    The revision `.` is the working tree.
    """

    revision: str | None
    pins: tuple[Pin, ...] = ()

    def __str__(self) -> str:
        if self.revision is None:
            return ",".join(map(str, self.pins))
        return WORKING_TREE if self.revision == HERE else self.revision


Pair = tuple[Asked, Asked]


def asked(words: Sequence[str], given: Sequence[str]) -> tuple[Pair, Path]:
    """Return the sides that the arguments of `ab` ask for, the one before first, and the matrix.

    `given` is what each `--with` says. Raises `BadInput`.
    """
    if not given:
        if len(words) not in (2, 3):
            raise BadInput(
                "ab: expected two revisions and a matrix, such as `ab HEAD~1 HEAD matrix.toml`, "
                "or --with twice and a matrix"
            )
        one, other = (Asked(each) for each in words[:2])
        return _unlike(one, other), _matrix(words[2:])
    if len(words) > 1:
        raise BadInput(
            f"ab: --with compares two sets of packages of this tree, and {words[0]} and {words[1]} "
            "are two revisions: give the ones or the others"
        )
    if len(given) != 2:
        raise BadInput(
            f"--with: expected it twice, once for each side, got it "
            f"{counted(len(given), 'time')}; several packages of one side go into one, with commas"
        )
    one, other = (Asked(None, pins(each)) for each in given)
    return _unlike(one, other), _matrix(words)


def labels(pair: Pair, stacks: Iterable[str]) -> tuple[str, str]:
    """Return what the sides are called behind the names of `stacks`: as they were asked for.

    A and B where that cannot be a part of a name.
    """
    one, other = map(str, pair)
    room = LONGEST - len("@") - max(map(len, stacks))
    if all(NAME.fullmatch(each) and len(each) <= room for each in (one, other)):
        return one, other
    return LETTERS


def _unlike(one: Asked, other: Asked) -> Pair:
    if one == other:
        raise BadInput(f"ab: both sides are {one}: there is nothing to compare")
    return one, other


def _matrix(words: Sequence[str]) -> Path:
    return Path(words[0]) if words else MATRIX
