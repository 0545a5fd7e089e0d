"""A virtual environment of its own for a side: made by `venv` and pip, gone with its context."""

import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from harness.errors import BadInput, HarnessError, NothingMeasurable
from harness.processes import Processes, finished

UNREACHABLE = re.compile(
    r"Retrying \(|connection broken|Connection (refused|reset|error)|Name or service not known|"
    r"name resolution|Read timed out|ProxyError|SSLError",
    re.IGNORECASE,
)
"""What pip says of an index that it cannot ask: then it knows no version of anything."""

UNSATISFIABLE = re.compile(
    r"No matching distribution|ResolutionImpossible|conflicting dependencies"
)


@contextlib.asynccontextmanager
async def environment(
    processes: Processes, side: str, requirements: Sequence[str]
) -> AsyncIterator[str]:
    """Yield the Python of a new environment that holds `requirements` and what they need.

    Raises `BadInput` when there is no such version, `NothingMeasurable` when pip or venv
    cannot be had or reaches no index.
    """
    with processes.directory("pg-stack-harness-venv-") as folder:
        home, log = folder / "venv", folder / "log"
        if not await _done(processes, log, [sys.executable, "-I", "-m", "venv", str(home)]):
            raise NothingMeasurable(f"{side}: no virtual environment: {_last(log)}")
        python = str(home / "bin" / "python")
        pip = [python, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input"]
        if not await _done(processes, log, [*pip, "install", "--quiet", *requirements]):
            raise failure(side, log.read_text(errors="replace"))
        yield python


def failure(side: str, log: str) -> HarnessError:
    """Return what to make of pip's `log` of an installation that failed."""
    said = f"{side}: pip: {last_word(log)}"
    if UNREACHABLE.search(log) or not UNSATISFIABLE.search(log):
        return NothingMeasurable(said)
    return BadInput(said)


def last_word(log: str) -> str:
    """Return pip's last error, else its last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["it said nothing"])[-1]


def _last(log: Path) -> str:
    return last_word(log.read_text(errors="replace"))


async def _done(processes: Processes, log: Path, argv: Sequence[str]) -> bool:
    """Run `argv`, its output in `log`; tell whether it went well."""
    with log.open("wb") as sink:
        async with processes.start(argv, env=_environment(), stdout=sink, stderr=sink) as process:
            return await finished(process) == 0


def _environment() -> dict[str, str]:
    """Return the user's environment, with pip's settings, and without what Python reads."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
