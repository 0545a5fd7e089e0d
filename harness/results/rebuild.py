"""`report DIR`: everything in a results folder again, from its `blocks.csv`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import environment, matrix, plan
from harness.errors import BadInput
from harness.findings import find
from harness.matrix import Matrix
from harness.model import Observation
from harness.results import render, store
from harness.uncollected import uncollected


def rebuild(folder: Path) -> list[str]:
    """Write the computed files of `folder` again, byte for byte; return their names.

    Raises `BadInput` when the folder is not one of results; then nothing is written.
    """
    with uncollected():
        observations = store.read(folder)
        measured = matrix.read(folder / "matrix.toml")
        files = _files(folder, measured, observations, _environment(folder))
    with store.opened(folder) as opened:
        opened.publish(files)
    return list(files)


def _files(
    folder: Path,
    measured: Matrix,
    observations: Sequence[Observation],
    around: Mapping[str, Any],
) -> dict[str, str]:
    cells = {*plan.cells(measured), *plan.ceilings(measured)}
    stray = next((row.key for row in observations if row.key not in cells), None)
    if stray is not None:
        raise BadInput(
            f"{folder / store.BLOCKS}: holds {stray.stack} on {stray.endpoint} in {stray.group}, "
            "a cell that the matrix.toml beside it does not"
        )
    try:
        return render.files(measured, find(measured, observations), around, draw=True)
    except ValueError as error:
        raise BadInput(f"{folder / store.BLOCKS}: not as it was written: {error}") from None
    except (KeyError, TypeError) as error:
        raise BadInput(f"{folder / 'env.json'}: not an environment of a run: {error}") from None


def _environment(folder: Path) -> dict[str, Any]:
    path = folder / "env.json"
    try:
        return environment.from_json(path.read_bytes(), str(path))
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
