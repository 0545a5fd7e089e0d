"""The matrix that a command line asks for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import matrix
from harness.matrix import Matrix


def chosen_matrix(
    path: Path,
    *,
    budget: float | None = None,
    quick: bool = False,
    only: Sequence[str] = (),
    dsn: str | None = None,
    seed: int | None = None,
) -> Matrix:
    """Return the matrix at `path` with the command line's changes to it."""
    read = matrix.read(path)
    if quick:
        read = matrix.quick(read)
    changes: dict[str, Any] = {}
    if budget is not None:
        changes["budget"] = budget
    if seed is not None:
        changes["seed"] = seed
    read = replace(read, run=replace(read.run, **changes))
    if dsn is not None:
        read = replace(read, database=replace(read.database, dsn=dsn))
    return matrix.narrowed(read, only) if only else read
