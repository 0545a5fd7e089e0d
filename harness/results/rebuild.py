"""`report DIR`: everything in a results folder again, from its `blocks.csv`."""

from pathlib import Path
from typing import Any

from harness import environment, matrix, plan
from harness.beside import at_once, beside, worth_it
from harness.errors import BadInput
from harness.findings import Findings, find
from harness.matrix import Matrix
from harness.results import render, store
from harness.results.exports import EXPORTS
from harness.results.halves import by_halves
from harness.uncollected import uncollected


@uncollected()
def rebuild(folder: Path) -> list[str]:
    """Write the computed files of `folder` again, byte for byte; return their names.

    Raises `BadInput` when the folder is not one of results; then nothing is written.
    """
    measured, found = findings(folder)
    aside = beside if worth_it((folder / store.BLOCKS).stat().st_size) else at_once
    try:
        files = render.files(measured, found, _environment(folder), draw=True, aside=aside)
    except (KeyError, TypeError) as error:
        raise BadInput(f"{folder / 'env.json'}: not an environment of a run: {error}") from None
    with store.opened(folder) as opened:
        opened.publish(files)
    return list(files)


def export(folder: Path, form: str) -> str:
    """Return what `folder` says in the format `form`, one of `EXPORTS`. Raises `BadInput`."""
    return EXPORTS[form](findings(folder)[1])


@uncollected(kept=True)
def findings(folder: Path) -> tuple[Matrix, Findings]:
    """Return the matrix of `folder`, and what its blocks say. Raises `BadInput`."""
    return by_halves(folder) or _whole(folder)


def _whole(folder: Path) -> tuple[Matrix, Findings]:
    observations = store.read(folder)
    measured = matrix.read(folder / "matrix.toml", resolved=True)
    cells = {*plan.cells(measured), *plan.ceilings(measured)}
    named = dict.fromkeys(row.key for row in observations)
    stray = next((key for key in named if key not in cells), None)
    if stray is not None:
        raise BadInput(
            f"{folder / store.BLOCKS}: holds {stray.stack} on {stray.endpoint} in {stray.group}, "
            "a cell that the matrix.toml beside it does not"
        )
    try:
        return measured, find(measured, observations)
    except ValueError as error:
        raise BadInput(f"{folder / store.BLOCKS}: not as it was written: {error}") from None


def _environment(folder: Path) -> dict[str, Any]:
    path = folder / "env.json"
    try:
        return environment.from_json(path.read_bytes(), str(path))
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
