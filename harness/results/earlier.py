"""What an earlier run left in its folder, as far as it can be gone on with."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

from harness import environment, plan
from harness.errors import BadInput
from harness.matrix import Matrix
from harness.model import Observation
from harness.results import parsing
from harness.results.store import BLOCKS
from harness.uncollected import uncollected

INSTEAD = "start over without --resume"


@dataclass(frozen=True, slots=True)
class Earlier:
    """How a run was made: `matrix` is the resolved `matrix.toml`, `environment` `env.json`."""

    folder: Path
    matrix: Mapping[str, Any]
    environment: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Blocks:
    """The whole blocks of a run: the first `size` bytes of its `blocks.csv`.

    `unfinished` lines after them are of a block that was being written.
    """

    observations: Sequence[Observation]
    size: int
    unfinished: int


def read(folder: Path) -> Earlier | None:
    """Return how the run in `folder` was made; None when no block was ever recorded there.

    Raises `BadInput` when it cannot be told.
    """
    if not (folder / BLOCKS).exists():
        return None
    around = environment.from_json(_bytes(folder / "env.json"), str(folder / "env.json"))
    path = folder / "matrix.toml"
    try:
        measured = tomllib.loads(_bytes(path).decode())
    except ValueError as error:
        raise BadInput(f"{path}: not the matrix of a run: {error}; {INSTEAD}") from None
    return Earlier(folder, measured, around)


@uncollected(kept=True)
def blocks(folder: Path, matrix: Matrix) -> Blocks:
    """Return the blocks of `matrix` in `folder`, but for one at the end that is not whole.

    Raises `BadInput` for any other line that is not as it was written, or of another matrix.
    """
    path = folder / BLOCKS
    rows, damaged = _rows(path)
    cells = {*plan.cells(matrix), *plan.ceilings(matrix)}
    named = dict.fromkeys(row.key for row in rows)
    stray = next((key for key in named if key not in cells), None)
    if stray is not None:
        raise BadInput(
            f"{path}: holds {stray.stack} on {stray.endpoint} in {stray.group}, a cell that the "
            f"matrix does not; {INSTEAD}"
        )
    if rows:
        setting, number = rows[-1].key.setting, rows[-1].block
        last = takewhile(lambda row: (row.key.setting, row.block) == (setting, number), rows[::-1])
        found = {row.key for row in last}
        if found != {key for key in cells if key.setting == setting}:
            damaged += len(found)
            del rows[-len(found) :]
    with path.open("rb") as file:
        size = sum(map(len, islice(file, 1 + len(rows))))
    return Blocks(rows, size, damaged)


def _rows(path: Path) -> tuple[list[Observation], int]:
    """Return the rows of `path`, and 1 when its last line is unfinished."""
    rows: list[Observation] = []
    damaged: list[parsing.Damaged] = []
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            for row in parsing.scan(Observation, Observation, lines, str(path)):
                if isinstance(row, parsing.Damaged):
                    damaged.append(row)
                else:
                    rows.append(row)
    except UnicodeDecodeError:
        raise BadInput(f"{path}: not UTF-8 text; {INSTEAD}") from None
    for each in damaged:
        if each.why != parsing.UNFINISHED:
            raise BadInput(f"{path}: line {each.line}: {each.why}; {INSTEAD}")
    return rows, len(damaged)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}; {INSTEAD}") from None
