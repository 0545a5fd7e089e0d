"""What a result depends on besides the stacks: the machine, the versions, the settings.

Written to `env.json`, which people commit: nothing in it names a person, a path or a
host, and nothing changes from one run to the next unless the environment did.
"""

import hashlib
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import psutil

from harness import __version__
from harness.affinity import Places
from harness.errors import BadInput
from harness.origin import NOWHERE_ELSE, Origin

if TYPE_CHECKING:  # psycopg, which only a run has a use for, takes a tenth of a second
    from harness.database.activity import Facts

PACKAGES = (
    "anyio",
    "asyncpg",
    "granian",
    "greenlet",
    "orjson",
    "psycopg",
    "psycopg-binary",
    "psycopg-pool",
    "psycopg2-binary",
    "sqlalchemy",
    "starlette",
    "uvloop",
)

NOT_RESULTS = ("--", ":/", ":(top,exclude)results")
"""What git is asked about: everything but what runs write."""


def describe(
    *,
    database: "Facts | None",
    embedded: bool,
    places: Places,
    idle: str | None,
    seed: int,
    matrix_toml: str,
    matrix: Path,
    results: Path,
    origins: Mapping[str, Origin] = NOWHERE_ELSE,
) -> dict[str, Any]:
    """Return the environment of a run as JSON-ready values.

    `database` is None as long as nothing was started: then nothing is said of it but whose it is.
    `idle` is what CPUs do that have nothing to do, as `harness.idle` says it.
    `origins` are the sides of `ab`: of a run without any, nothing is said of them.
    """
    sides = {side: dict(origin.about) for side, origin in origins.items()}
    return ({"sides": sides} if sides else {}) | {
        "affinity": {
            part: sorted(cpus) if cpus is not None else None
            for part, cpus in (
                ("app", places.app),
                ("database", places.database),
                ("load", places.load),
            )
        },
        "cpu": {
            "count": os.cpu_count(),
            "governor": _governor(),
            "idle": idle,
            "model": _cpu_model(),
        },
        "database": {"embedded": embedded, **_said(database)},
        "git": _git(matrix.resolve().parent, results.resolve()),
        "harness": __version__,
        "malloc_arena_max": os.environ.get("MALLOC_ARENA_MAX"),
        "machine": {
            "arch": platform.machine(),
            "kernel": platform.release(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30),
            "system": platform.system(),
        },
        "matrix_sha256": hashlib.sha256(matrix_toml.encode()).hexdigest(),
        "packages": _versions(),
        "python": platform.python_version(),
        "seed": seed,
    }


def to_json(environment: Mapping[str, Any]) -> str:
    """Return the text of `env.json`: sorted keys, two spaces, a newline at the end."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(environment, option=options).decode()


def from_json(text: str | bytes, where: str) -> dict[str, Any]:
    """Undo `to_json`. Raises `BadInput` that names `where` for what is no JSON object."""
    try:
        environment = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"{where}: not JSON: {error}") from None
    if not isinstance(environment, dict):
        raise BadInput(f"{where}: not an environment of a run")
    return environment


def same_but_results(matrix: Path, a: str, b: str) -> bool:
    """Whether the revisions `a` and `b` of the matrix's repository differ in results alone."""
    return _git_says(matrix.resolve().parent, "diff", "--quiet", a, b, *NOT_RESULTS) is not None


def _said(database: "Facts | None") -> dict[str, Any]:
    if database is None:
        return {}
    return {"settings": dict(database.settings), "version": database.version}


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )


def _governor() -> str | None:
    """Return what sets the first CPU's frequency; None where nothing does, as in most VMs."""
    path = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _git(folder: Path, results: Path) -> dict[str, Any] | None:
    """Return the revision the matrix is at; `dirty` when anything but results differs from it."""
    revision = _git_says(folder, "rev-parse", "HEAD")
    top = _git_says(folder, "rev-parse", "--show-toplevel")
    if revision is None or top is None:
        return None
    mine = []
    if results.is_relative_to(top):
        mine = [f":(top,exclude,literal){results.relative_to(top).as_posix()}"]
    changes = _git_says(folder, "status", "--porcelain", *NOT_RESULTS, *mine)
    return {"dirty": bool(changes), "revision": revision}


def _git_says(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
