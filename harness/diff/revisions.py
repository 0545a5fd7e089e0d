"""What git says of committed results, read without touching the checkout."""

import errno
import io
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from harness.errors import BadInput


def resolve(folder: Path, revision: str) -> str:
    """Return the full commit id that `revision` names in the repository of `folder`.

    Raises `BadInput` with what git says where there is no such repository or commit.
    """
    done = git(folder, "rev-parse", "--show-toplevel")
    if done.returncode != 0:
        raise BadInput(
            f"{revision}: cannot be read as a revision: {complaint(done)}; "
            "give two results folders, or run this in the repository that holds them"
        )
    commit = known(folder, revision)
    if commit is None:
        raise BadInput(
            f"{revision}: neither a folder nor a revision: no such path, and git rev-parse "
            "knows no such commit; see git log, or in a shallow clone fetch more of it"
        )
    return commit


def known(folder: Path, revision: str) -> str | None:
    """Return the full commit id that `revision` names in a repository; None when it knows none."""
    done = git(folder, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    return None if revision.startswith("-") or done.returncode != 0 else done.stdout.strip()


@dataclass(frozen=True, slots=True)
class Logged:
    """A commit: its id, the day it was made, the first line of its message."""

    commit: str
    date: str
    subject: str


def log(folder: Path, path: Path) -> list[Logged]:
    """Return the commits before and at HEAD that changed `path`, relative to `folder`.

    Oldest first, along first parents: each is compared with the one before it.
    """
    done = git(
        folder,
        *("log", "--first-parent", "--reverse", "-z", "--format=%H%n%cs%n%s", "HEAD"),
        *("--", path.as_posix()),
    )
    if done.returncode != 0:
        raise BadInput(f"{path}: git log: {complaint(done)}")
    return [Logged(*each.split("\n", 2)) for each in done.stdout.split("\0") if each]


def files(folder: Path, commit: str, below: Path) -> list[str]:
    """Return the paths, relative to `folder`, of the files of `commit` under `below` there."""
    scope = [] if below == Path() else ["--", f"{below.as_posix()}/"]
    done = git(folder, "ls-tree", "-r", "-z", "--name-only", commit, *scope)
    if done.returncode != 0:
        raise BadInput(f"{commit[:7]}: git ls-tree: {complaint(done)}")
    return done.stdout.split("\0")[:-1]


def size(folder: Path, commit: str, path: Path) -> int:
    """Return the bytes of a file of `commit`, `path` being relative to `folder`; 0 of none."""
    done = git(folder, "cat-file", "-s", f"{commit}:./{path.as_posix()}")
    return int(done.stdout) if done.returncode == 0 else 0


@contextmanager
def opened(folder: Path, commit: str, path: Path) -> Iterator[TextIO]:
    """Yield the text of a file of `commit`, `path` being relative to `folder`: to be read whole.

    Raises FileNotFoundError, on leaving, when it was not there.
    """
    command = ["git", "-C", str(folder), "cat-file", "blob", f"{commit}:./{path.as_posix()}"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        with io.TextIOWrapper(process.stdout, encoding="utf-8", newline="\n") as text:
            yield text
    if process.returncode != 0:
        raise FileNotFoundError(errno.ENOENT, "not in that commit")


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Return what git said in `folder`, however it ended. Raises `BadInput` where there is none."""
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise BadInput(
            f"git: cannot be started: {error.strerror}; install it, or compare results "
            "folders or packages, which need none"
        ) from None


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """Return the first line of what git complained of."""
    lines = done.stderr.strip().splitlines()
    return lines[0].removeprefix("fatal: ") if lines else f"exit code {done.returncode}"
