"""The trees that sides are served from: revisions of this repository, read by git alone."""

import contextlib
import shutil
import subprocess
import tarfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.ab.asked import HERE, Asked
from harness.diff import revisions
from harness.errors import BadInput
from harness.processes import Processes

REPOSITORY = Path(__file__).resolve().parents[2]
"""What the harness itself runs from."""

NEEDED = ("harness/app.py", "adapters/registry.py", "pyproject.toml")


def commit(side: Asked) -> str | None:
    """Return the full id of the commit that `side` is of, or begins at; None for none.

    Raises `BadInput` for a revision that git does not know, or no repository.
    """
    if side.revision is None:
        return None
    revision = "HEAD" if side.revision == HERE else side.revision
    done = revisions.git(REPOSITORY, "rev-parse", "--is-inside-work-tree")
    if done.returncode != 0:
        raise BadInput(
            f"{side.revision}: the harness runs from no repository ({revisions.complaint(done)}): "
            "install it from a clone with pip install -e, or compare packages by --with"
        )
    found = revisions.known(REPOSITORY, revision)
    if found is None:
        raise BadInput(
            f"{side.revision}: no such revision: git rev-parse knows no such commit; see git log, "
            "or in a shallow clone fetch more of it"
        )
    return found


@contextlib.contextmanager
def tree(processes: Processes, side: Asked, commit: str | None) -> Iterator[Path]:
    """Yield the tree of `side`: a copy that goes with the context, or this one for packages.

    The working tree is copied, too: it may be edited while it is measured.
    Raises `BadInput` for a tree that no server can be started from.
    """
    if side.revision is None:
        yield _complete(REPOSITORY, str(side))
        return
    with processes.directory("pg-stack-harness-tree-") as folder:
        if side.revision == HERE:
            _copy(folder)
        else:
            assert commit is not None
            _unpack(commit, folder)
        yield _complete(folder, str(side))


def about(side: Asked, commit: str | None) -> dict[str, Any]:
    """Return what to record of `side`: its packages, or its commit."""
    if side.revision is None:
        return {"with": list(map(str, side.pins))}
    dirty = side.revision == HERE and bool(
        revisions.git(REPOSITORY, "status", "--porcelain").stdout
    )
    return {"dirty": dirty, "revision": commit}


def beside(tree: Path) -> Path:
    """Return where the user stands: in `tree`, if where they stand is in the repository."""
    where = Path.cwd().resolve()
    if not where.is_relative_to(REPOSITORY):
        return where
    return tree / where.relative_to(REPOSITORY)


def dependencies(tree: Path) -> Sequence[str]:
    """Return what a tree says that it needs. Raises `BadInput` when it does not say."""
    try:
        project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return [str(each) for each in project["dependencies"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"ab: pyproject.toml: its dependencies cannot be read: {error}") from None


def _complete(tree: Path, side: str) -> Path:
    missing = next((each for each in NEEDED if not (tree / each).is_file()), None)
    if missing is not None:
        raise BadInput(f"{side}: holds no {missing}: nothing can be served from it")
    return tree


def _copy(folder: Path) -> None:
    listed = revisions.git(
        REPOSITORY, "ls-files", "-z", "--cached", "--others", "--exclude-standard"
    )
    if listed.returncode != 0:
        raise BadInput(f"{HERE}: git ls-files: {revisions.complaint(listed)}")
    for name in filter(None, listed.stdout.split("\0")):
        source, copy = REPOSITORY / name, folder / name
        if source.is_file():  # what was deleted is still listed
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)


def _unpack(commit: str, folder: Path) -> None:
    command = ["git", "-C", str(REPOSITORY), "archive", "--format=tar", commit]
    with (
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process,
        contextlib.suppress(tarfile.ReadError),  # of a folder that was not there: it lacks files
        tarfile.open(fileobj=process.stdout, mode="r|") as archive,
    ):
        # In every Python from 3.11.4 on: https://docs.python.org/3/library/tarfile.html
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)  # noqa: S202 - of files that this repository holds
