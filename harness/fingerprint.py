"""What two runs were made with: may their numbers be compared, are they one run? Pure.

A new version of what is measured is the experiment; another machine, or another matrix,
makes req/s of the one and of the other two different things. Blocks of one run have
everything in common.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import orjson

Path = tuple[str, ...]

IGNORED: Sequence[Path] = (("git",), ("seed",), ("matrix_sha256",))
"""Of `env.json`. The commit is what is compared, the seed only orders, and the matrix is
compared key by key."""

TRIED: Sequence[Path] = (("packages",), ("python",), ("database", "version"))
"""Of `env.json`: what people change to see what it does."""

LONGER = frozenset({"budget", "precision", "min_blocks", "max_blocks", "repeat_disturbed", "plots"})
"""Keys of `[run]` that say when to stop: a run may be resumed to go on for longer."""

UNMEASURED = LONGER | {"name", "seed"}
"""Keys of `[run]` that say how often and in which order to measure, not what."""


@dataclass(frozen=True, slots=True)
class Other:
    """Something that is not the same on both sides; None where it is not there."""

    name: str
    a: Any
    b: Any

    @property
    def text(self) -> str:
        """`asyncpg 0.31.0 -> 0.32.0`."""
        if isinstance(self.a, Mapping) or isinstance(self.b, Mapping):
            return f"{self.name} {'gone' if self.b is None else 'new'}"
        return f"{self.name} {_shown(self.a)} -> {_shown(self.b)}"


def tried(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Other]:
    """Return the versions that differ between two environments: what was changed to be tried."""
    return [
        Other(_version_name(path), *values)
        for path, *values in _differences(a, b)
        if _under(path, TRIED)
    ]


def obstacles(
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    matrix_a: Mapping[str, Any],
    matrix_b: Mapping[str, Any],
) -> list[Other]:
    """Return what keeps absolute numbers from being compared: machine, settings, matrix."""
    around = [
        Other(" ".join(path), *values)
        for path, *values in _differences(a, b)
        if not _under(path, (*IGNORED, *TRIED))
    ]
    asked = [
        Other(" ".join(("matrix", *path)), *values)
        for path, *values in _differences(_measured(matrix_a), _measured(matrix_b))
    ]
    return around + asked


def unlike(
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    matrix_a: Mapping[str, Any],
    matrix_b: Mapping[str, Any],
) -> list[Other]:
    """Return what keeps blocks made in `a` and in `b` from being blocks of one run.

    Of the matrix everything but `LONGER`: the seed and the order of groups and stacks, too,
    for they decide the order of blocks and slices.
    """
    around = [
        Other(" ".join(path), *values)
        for path, *values in _differences(a, b)
        if not _under(path, (("seed",), ("matrix_sha256",)))
    ]
    whole_a, whole_b = (
        _by_name(each) | {"run": _without(each["run"], LONGER)} for each in (matrix_a, matrix_b)
    )
    asked = list(_differences(whole_a, whole_b))
    asked = asked or list(_differences(_order(matrix_a), _order(matrix_b)))
    return around + [Other(" ".join(("matrix", *path)), *values) for path, *values in asked]


def _differences(a: Any, b: Any, path: Path = ()) -> Iterator[tuple[Path, Any, Any]]:
    """Yield (path, a's value, b's value) where two JSON documents differ, sorted by path."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for name in sorted(a.keys() | b.keys()):
            yield from _differences(a.get(name), b.get(name), (*path, name))
    elif a != b:
        yield path, a, b


def _measured(matrix: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a resolved matrix that shapes a measurement, its lists by name."""
    named = _by_name(matrix)
    run = _without(matrix["run"], UNMEASURED | {"baseline"})
    groups = {name: _without(group, {"baseline"}) for name, group in named["group"].items()}
    return {**named, "run": run, "group": groups}


def _by_name(matrix: Mapping[str, Any]) -> dict[str, Any]:
    """Return `matrix` with its groups and stacks found by their names."""
    lists = {part: {each["name"]: each for each in matrix[part]} for part in ("group", "stack")}
    return {**matrix, **lists}


def _order(matrix: Mapping[str, Any]) -> dict[str, list[str]]:
    return {f"{part}s": [each["name"] for each in matrix[part]] for part in ("group", "stack")}


def _without(section: Mapping[str, Any], names: Set[str]) -> dict[str, Any]:
    return {name: value for name, value in section.items() if name not in names}


def _under(path: Path, roots: Sequence[Path]) -> bool:
    return any(path[: len(root)] == root for root in roots)


def _version_name(path: Path) -> str:
    return "Postgres" if path[0] == "database" else path[-1]


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
