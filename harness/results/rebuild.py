"""`report DIR`: everything in a results folder again, from its `blocks.csv`."""

from pathlib import Path
from typing import Any

import orjson

from harness import matrix
from harness.errors import BadInput
from harness.findings import find
from harness.results import render, store


def rebuild(folder: Path) -> list[str]:
    """Write the computed files of `folder` again, byte for byte; return their names.

    Raises `BadInput` when the folder is not one of results; then nothing is written.
    """
    observations = store.read(folder)
    measured = matrix.read(folder / "matrix.toml")
    files = render.files(measured, find(measured, observations), _environment(folder))
    with store.opened(folder) as opened:
        opened.write(files)
    return list(files)


def _environment(folder: Path) -> dict[str, Any]:
    path = folder / "env.json"
    try:
        environment = orjson.loads(path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise BadInput(f"{path}: not JSON: {error}") from None
    if not isinstance(environment, dict):
        raise BadInput(f"{path}: not an environment of a run")
    return environment
