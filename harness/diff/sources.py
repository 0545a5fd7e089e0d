"""Where the two sides of a comparison are read from: folders, and commits."""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO

from harness import environment
from harness.diff import revisions
from harness.diff.side import Observed, Side, impossible, side
from harness.errors import BadInput
from harness.model import Observation
from harness.results import parsing
from harness.results.store import BLOCKS

RESULTS = Path("results")


class Source(Protocol):
    """A place that holds results folders, each under its name."""

    @property
    def label(self) -> str:
        """What it is called."""

    @property
    def only(self) -> str | None:
        """The one results folder that was asked for; None when any may be meant."""

    def names(self) -> list[str]:
        """Return the names of the results folders there, sorted."""

    def where(self, name: str) -> str:
        """Return what to call the results `name` of this place."""

    def size(self, name: str) -> int:
        """Return how many bytes of blocks `name` has; 0 where that cannot be told."""

    def open(self, name: str, file: str) -> AbstractContextManager[TextIO]:
        """Open a file of `name`, line ends as they are. OSError when it is not there."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Results on disk: those in the folders of `container`, or `only` one of them."""

    label: str
    container: Path
    only: str | None = None

    def names(self) -> list[str]:
        """Return the folders that hold observations."""
        return sorted(
            path.parent.name
            for path in self.container.glob(f"{self.only or '*'}/{BLOCKS}")
            if path.is_file()
        )

    def where(self, name: str) -> str:
        """Return the folder's path."""
        return str(self.container / name)

    def size(self, name: str) -> int:
        """Return the size of the file."""
        return (self.container / name / BLOCKS).stat().st_size

    def open(self, name: str, file: str) -> AbstractContextManager[TextIO]:
        """Open the file."""
        return (self.container / name / file).open(encoding="utf-8", newline="\n")


@dataclass(frozen=True, slots=True)
class Commit:
    """Results in a commit: those `below` the folder `at`, or `only` one of them."""

    label: str
    commit: str
    at: Path
    below: Path
    only: str | None = None

    def names(self) -> list[str]:
        """Return the folders that hold observations in the commit."""
        paths = map(Path, revisions.files(self.at, self.commit, self.below / (self.only or "")))
        return sorted(
            path.parent.name
            for path in paths
            if path.name == BLOCKS and path.parent.parent == self.below
        )

    def where(self, name: str) -> str:
        """Return the commit and the folder's path in it."""
        return f"{self.label}: {self.below / name}"

    def size(self, name: str) -> int:
        """Return the size of the file as it was committed."""
        return revisions.size(self.at, self.commit, self.below / name / BLOCKS)

    def open(self, name: str, file: str) -> AbstractContextManager[TextIO]:
        """Open the file as it was committed."""
        return revisions.opened(self.at, self.commit, self.below / name / file)


def sources(a: str | None, b: str | None, name: str | None) -> tuple[Source, Source, str | None]:
    """Return A, B and the name to look for, as the arguments of `diff` ask.

    Raises `BadInput` for an argument that is neither a folder nor a revision.
    """
    working = Folder("the working tree", RESULTS)
    if a is None:
        return _commit("HEAD"), working, name
    if b is not None:
        return _source(a), _source(b), name
    if name is None and Path(a).name == a and (RESULTS / a / BLOCKS).is_file():
        return _commit("HEAD"), working, a
    if Path(a).exists():
        folder = _folder(a)
        head = _commit("HEAD", folder.container)
        return Commit(head.label, head.commit, head.at, Path(), folder.only), folder, name
    return _commit(a), working, name


def chosen(source: Source, other: Source, name: str | None) -> str:
    """Return which results of `source` to compare with one of `other`'s.

    Raises `BadInput`, with the names there are, when that is open.
    """
    names = source.names()
    if not names:
        raise BadInput(
            f"{source.where(source.only or '<name>')}: holds no results: no {BLOCKS} is there"
        )
    if source.only is None and name is not None:
        if name not in names:
            raise BadInput(
                f"{source.where(name)}: no such results; --name can be {', '.join(names)}"
            )
        return name
    candidates = names if len(names) == 1 else [each for each in other.names() if each in names]
    if len(candidates) != 1:
        raise BadInput(
            f"{source.label}: holds several results ({', '.join(names)}): choose with --name"
        )
    return candidates[0]


def read(source: Source, name: str) -> tuple[Side, list[str]]:
    """Return the results `name` of `source`, and a line for each row that could not be used.

    Raises `BadInput` when what is there is not what a run of this version writes.
    """
    rows, damage = _rows(source, name)
    matrix = _matrix(source, name)
    around = _environment(source, name)
    try:
        return side(_title(source, name, around), rows, matrix, around), damage
    except (KeyError, TypeError, AttributeError) as error:
        where = f"{source.where(name)}/matrix.toml"
        raise BadInput(f"{where}: not the matrix of a run: {error}") from None
    except ValueError as error:
        where = f"{source.where(name)}/{BLOCKS}"
        raise BadInput(f"{where}: not as it was written: {error}") from None


def _source(argument: str) -> Source:
    """Return what exists under that name as a folder, else what git knows by it."""
    return _folder(argument) if Path(argument).exists() else _commit(argument)


def _folder(argument: str) -> Folder:
    path = Path(argument)
    if not path.is_dir():
        raise BadInput(f"{argument}: is a file; give the results folder that holds it")
    if not (path / BLOCKS).is_file():
        return Folder(argument, path)
    named = path if path.name not in ("", "..") else path.resolve()
    return Folder(argument, named.parent, named.name)


def _commit(revision: str, at: Path = Path()) -> Commit:
    commit = revisions.resolve(at, revision)
    label = revision if commit.startswith(revision) else f"{revision} ({commit[:7]})"
    return Commit(label, commit, at, RESULTS)


def _title(source: Source, name: str, around: Mapping[str, Any]) -> str:
    git = around.get("git")
    if not isinstance(git, dict) or not isinstance(git.get("revision"), str):
        return source.where(name)
    changes = " with changes" if git.get("dirty") else ""
    return f"{source.where(name)}, measured at {git['revision'][:7]}{changes}"


def _rows(source: Source, name: str) -> tuple[list[Observed], list[str]]:
    where = f"{source.where(name)}/{BLOCKS}"
    rows: list[Observed] = []
    damage: list[str] = []
    try:
        with source.open(name, BLOCKS) as lines:
            for row in _sound(parsing.scan(Observed, Observation, lines, where)):
                if isinstance(row, parsing.Damaged):
                    damage.append(f"{where}: line {row.line}: {row.why}; it is left out")
                else:
                    rows.append(row)
    except UnicodeDecodeError:
        raise BadInput(f"{where}: not UTF-8 text") from None
    except OSError as error:
        raise BadInput(f"{where}: cannot be read: {error.strerror}") from None
    if not rows:
        first = f"; {damage[0]}" if damage else ""
        raise BadInput(f"{where}: holds no observation{first}")
    return rows, damage


def _sound(
    rows: Iterator[Observed | parsing.Damaged],
) -> Iterator[Observed | parsing.Damaged]:
    for number, row in enumerate(rows, 2):
        why = None if isinstance(row, parsing.Damaged) else impossible(row)
        yield row if why is None else parsing.Damaged(number, why)


def _matrix(source: Source, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(source, name, "matrix.toml"))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{source.where(name)}/matrix.toml: not TOML: {error}") from None


def _environment(source: Source, name: str) -> dict[str, Any]:
    return environment.from_json(_text(source, name, "env.json"), f"{source.where(name)}/env.json")


def _text(source: Source, name: str, file: str) -> str:
    where = f"{source.where(name)}/{file}"
    try:
        with source.open(name, file) as text:
            return text.read()
    except UnicodeDecodeError:
        raise BadInput(f"{where}: not UTF-8 text") from None
    except OSError as error:
        raise BadInput(f"{where}: cannot be read: {error.strerror}") from None
