"""`--resume`: an interrupted run goes on where it stopped, if everything is as it was."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import affinity, environment, fingerprint
from harness.errors import BadInput
from harness.idle import awake
from harness.matrix import Matrix
from harness.origin import NOWHERE_ELSE, Origin
from harness.results import earlier
from harness.results.earlier import Blocks, Earlier
from harness.results.resolved import to_toml


def resumable(
    folder: Path, matrix: Matrix, path: Path, origins: Mapping[str, Origin] = NOWHERE_ELSE
) -> tuple[Earlier, Blocks] | None:
    """Return what a run of `matrix`, read from `path`, left in `folder`; None if nothing.

    Raises `BadInput`, with a line for everything that has changed since, as far as that can
    be told without starting anything: the database has not been asked yet.
    """
    found = earlier.read(folder)
    if found is None:
        return None
    with awake(matrix.run.awake) as idle:
        described = environment.describe(
            database=None,
            embedded=matrix.database.dsn is None,
            places=affinity.places_of(matrix),
            idle=idle,
            seed=matrix.run.seed,
            matrix_toml=to_toml(matrix),
            matrix=path,
            results=folder,
            origins=origins,
        )
    require_same(found, described, matrix, path)
    return found, earlier.blocks(folder, matrix)


def require_same(found: Earlier, described: Mapping[str, Any], matrix: Matrix, path: Path) -> None:
    """Raise `BadInput` unless `found` was made in the environment `described`, of `matrix`.

    Of the database that is compared which `described` knows.
    """
    before = dict(found.environment)
    try:
        known = described["database"].keys()
        before["database"] = {k: v for k, v in before["database"].items() if k in known}
        before["git"] = _git(before["git"], described["git"], path)
        others = fingerprint.unlike(before, described, found.matrix, tomllib.loads(to_toml(matrix)))
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{found.folder}: its env.json or matrix.toml is not that of a run ({error}); "
            f"{earlier.INSTEAD}"
        ) from None
    if others:
        changed = "".join(f"\n  {each.text}" for each in others)
        raise BadInput(
            f"{found.folder}: cannot be resumed, for this has changed since; put it back, or "
            f"{earlier.INSTEAD}{changed}"
        )


def _git(before: Any, now: Any, path: Path) -> Any:
    """Return `now` for `before` where only results were committed in between."""
    if before is None or now is None or before["dirty"] != now["dirty"]:
        return before
    same = environment.same_but_results(path, before["revision"], now["revision"])
    return now if same else before
