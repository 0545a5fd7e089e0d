"""A repository of its own that holds this tree, to make revisions in."""

import shutil
import subprocess
from pathlib import Path

import adapters
import harness

SOURCES = [Path(str(each.__file__)).parent for each in (harness, adapters)]


def git(at: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(at), *identity, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def repository(at: Path) -> Path:
    """Make `at` a repository with one commit, of the packages of this tree."""
    for source in SOURCES:
        shutil.copytree(source, at / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(SOURCES[0].parent / "pyproject.toml", at)
    git(at, "init", "-q", "-b", "trunk")
    commit(at, "first")
    return at


def commit(at: Path, message: str) -> None:
    git(at, "add", "-A")
    git(at, "commit", "-q", "-m", message)
