"""The matrix that a command line asks for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import matrix
from harness.errors import BadInput
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
    """Return the matrix at `path` with the command line's changes to it.

    Raises `BadInput` for one that `ab` wrote: the code that its stacks had is not here.
    """
    read = matrix.read(path)
    twin = next((each for each in read.stacks.values() if each.side is not None), None)
    if twin is not None:
        raise BadInput(
            f"{path}: {twin.name} was served from another tree or environment, and would not be "
            "now; give `ab` the matrix that it was given"
        )
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
