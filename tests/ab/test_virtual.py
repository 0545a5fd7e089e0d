"""An environment for a side: made by pip, or refused in its words."""

import asyncio
import subprocess
import zipfile
from pathlib import Path

import pytest

from harness.ab.virtual import environment, failure
from harness.errors import BadInput, HarnessError, NothingMeasurable
from harness.processes import Processes

NONE = """
ERROR: Could not find a version that satisfies the requirement asyncpg==9 (from versions: 0.5.0)
ERROR: No matching distribution found for asyncpg==9
"""
OFFLINE = """
WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError'
ERROR: Could not find a version that satisfies the requirement asyncpg==0.30.0 (from versions: none)
ERROR: No matching distribution found for asyncpg==0.30.0
"""
CONFLICT = """
ERROR: Cannot install psycopg-pool==3.2 and x because these have conflicting dependencies.
ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/
"""
BUILD = "error: subprocess-exited-with-error\nERROR: Failed to build asyncpg\n"


@pytest.mark.parametrize(
    ("log", "kind", "said"),
    [
        (NONE, BadInput, "B: pip: No matching distribution found for asyncpg==9"),
        (CONFLICT, BadInput, "B: pip: ResolutionImpossible: for help visit https://pip.pypa.io/"),
        (OFFLINE, NothingMeasurable, "B: pip: No matching distribution found for asyncpg==0.30.0"),
        (BUILD, NothingMeasurable, "B: pip: Failed to build asyncpg"),
        ("", NothingMeasurable, "B: pip: it said nothing"),
    ],
)
def test_a_version_that_does_not_exist_is_the_users_and_no_index_is_not(
    log: str, kind: type[HarnessError], said: str
) -> None:
    error = failure("B", log)
    assert (type(error), str(error)) == (kind, said)


def wheel(folder: Path, version: str) -> None:
    """Write a package `tiny` that knows its version, as pip installs it."""
    info = f"tiny-{version}.dist-info"
    with zipfile.ZipFile(folder / f"tiny-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr("tiny.py", f"VERSION = {version!r}\n")
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")


def installed(python: str) -> str:
    """Return the version of `tiny` that `python` imports."""
    command = [python, "-c", "import tiny; print(tiny.VERSION, end='')"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_an_environment_holds_the_version_asked_for_until_its_end(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("1.0", "2.0"):
        wheel(tmp_path, version)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))

    async def made() -> Path:
        async with environment(processes, "A", ["tiny==1.0"]) as python:
            assert installed(python) == "1.0"
            return Path(python)

    assert not asyncio.run(made()).parents[2].exists()
