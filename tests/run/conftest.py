"""The harness as a user runs it: a process of its own, on matrices small enough to test with.

A run takes seconds, most of them to start and stop what it needs. So what one run can show of
several things is run once for a module, whose tests look at what it left.
"""

import contextlib
import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import tomli_w

from harness import cli
from tests.conftest import Database

DEADLINE_S = 150.0
PASSWORD = "correct-horse-battery"
LOOK_EVERY_S = 0.1
"""Looking at processes costs CPU, which a run takes for a neighbour's."""

BY_NOISE = re.compile(
    r"(invalid: )?(littles_law|generator|lag|window|foreign|steal|drift|rtt|rate|schedule)\b"
)
"""Why a busy machine may cost a cell its number: what no test of anything else may fail on.
Not `errors` nor `work`: a machine without time to spare is late, and does no less of what it does.
"""

OPEN_LOOP = {
    "offered_rps",
    "service_p50_ms",
    "service_p99_ms",
    "schedule_lag_p99_ms",
    "late",
    "dropped",
}
CAPACITY = {
    "capacity_rps",
    "capacity_rps_lo",
    "capacity_rps_hi",
    "capacity_concurrency",
    "capacity_limit",
}
DISTANCE = {"rtt_measured_ms", "rtt_loaded_ms"}
"""Columns that load of another kind fills, or another place of the database."""

WIRE = {"round_trips", "via_cpu_us"}
"""Columns of what is counted when it is asked for, and of what stands between."""

MEMORY = {"rss_quiet_mib", "rss_growth_kib_per_1000", "rss_growth_lo", "rss_growth_hi"}
"""Columns that rounds and quiet fill."""

RUN = {
    "budget": "60s",
    "warmup": "100ms",
    "measure": "200ms",
    "slice": "100ms",
    "max_blocks": 1,
    "min_blocks": 1,
    "timeout": "2s",
    "ceilings": False,
    "round_trips": False,
    "repeat_disturbed": False,
    "plots": False,
}
"""Tests run two at a time, and each run is disturbed by the other."""


def document(**changes: Any) -> dict[str, Any]:
    """Return a matrix of two stacks and one setting, with `changes` to its sections."""
    return {
        "run": RUN | changes.pop("run", {}),
        "database": {"users": 40, "books": 40} | changes.pop("database", {}),
        "stack": [
            {"name": "asyncpg", "adapter": "asyncpg_pool"},
            {"name": "psycopg", "adapter": "psycopg_pool"},
        ],
        "group": [{"name": "g", "endpoint": ["users_get"], "concurrency": [4], "pool_size": [2]}],
    } | changes


def as_measured(cell: Mapping[str, str]) -> bool:
    """Whether `cell` (a row of cells.csv) has a number; without one, noise must be the reason."""
    if cell["outcome"] != "ok":
        assert cell["outcome"] == "invalid", cell
        flags = [each for each in cell["flags"].split("; ") if each != "sequential"]  # by plan
        assert [each for each in flags if not BY_NOISE.match(each)] == [], cell
    return cell["outcome"] == "ok"


@dataclass
class Started:
    """A harness process, and every process it was ever seen to have under it."""

    process: "subprocess.Popen[str]"
    seen: set[psutil.Process] = field(default_factory=set)
    commands: dict[psutil.Process, list[str]] = field(default_factory=dict)

    def look(self) -> set[psutil.Process]:
        """Note the processes under it now, and return all seen so far."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self.seen |= set(psutil.Process(self.process.pid).children(recursive=True))
            self.commands |= {each: command for each in self.seen if (command := _command(each))}
        return self.seen

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Look until `condition` holds; fail after the deadline."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"waited {DEADLINE_S:.0f} s for {what}"
            assert self.process.poll() is None, self.output()
            self.look()
            time.sleep(LOOK_EVERY_S)

    def runs(self, word: str) -> bool:
        """Whether a process with `word` in its command line is under it now."""
        return any(word in " ".join(_command(each)) for each in self.look())

    def output(self) -> tuple[str, str]:
        """Wait for its end; what it wrote to stdout and stderr."""
        deadline = time.monotonic() + DEADLINE_S
        while self.process.poll() is None and time.monotonic() < deadline:
            self.look()
            time.sleep(LOOK_EVERY_S)
        return self.process.communicate(timeout=1)

    def measured(self) -> tuple[str, str]:
        """Wait for its end in order (3 when noise cost every cell its number); what it wrote."""
        said, complained = self.output()
        assert self.process.returncode in (0, 3), complained
        assert "error:" not in complained
        return said, complained

    def left(self, within_s: float = 0.0) -> list[str]:
        """Return the commands of the seen processes that are still there after `within_s`."""
        psutil.wait_procs(self.seen, timeout=within_s)
        return [" ".join(_command(each)) for each in self.seen if _lives(each)]

    @property
    def folders(self) -> list[Path]:
        """The temporary folders of the databases it was seen to make or run."""
        return [
            Path(argument).parent
            for argv in self.commands.values()
            for argument in argv
            if argument.endswith("/data") and "/harness-pg-" in argument
        ]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


Start = Callable[..., Started]


@contextlib.contextmanager
def starting(folder: Path) -> Iterator[Start]:
    """Yield a function that starts `python -m harness` in `folder` with the given arguments."""
    started: list[Started] = []

    def begin(*arguments: str, env: dict[str, str] | None = None) -> Started:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder)} | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(Started(process))
        return started[-1]

    yield begin
    for each in started:
        if each.process.poll() is None:
            each.process.send_signal(signal.SIGTERM)
            each.process.communicate(timeout=DEADLINE_S)
        for stream in (each.process.stdout, each.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts `python -m harness` in `tmp_path`."""
    with starting(tmp_path) as begin:
        yield begin


@dataclass(frozen=True)
class Measured:
    """A run that ended in order, what it wrote to stdout and stderr, and its results."""

    run: Started
    said: str
    complained: str
    folder: Path

    def rows(self, name: str = "cells.csv") -> list[dict[str, str]]:
        """Return the rows of one of its tables."""
        with (self.folder / name).open(newline="") as file:
            return list(csv.DictReader(file))


def measured(
    home: Path, *arguments: str, env: dict[str, str] | None = None, **changes: Any
) -> Measured:
    """Run the small matrix with `changes` in `home`, to its end."""
    (home / "tiny.toml").write_text(tomli_w.dumps(document(**changes)))
    with starting(home) as begin:
        run = begin("tiny.toml", *arguments, env=env)
        return Measured(run, *run.measured(), home / "results" / "tiny")


@dataclass(frozen=True)
class Said:
    """What the command printed, and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Return a function that gives arguments to the command, in this process and `tmp_path`.

    For what ends before it starts anything: a process of its own begins with a second of imports.
    """
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Said:
        code = cli.main(arguments)
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def matrix(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes a small matrix with some changes, and gives its file name."""

    def write(name: str = "tiny.toml", **changes: Any) -> str:
        (tmp_path / name).write_text(tomli_w.dumps(document(**changes)))
        return name

    return write


@dataclass(frozen=True)
class Own:
    """A database of its own, whose owner has a password."""

    dsn: str
    admin: "psycopg.Connection[tuple[object, ...]]"

    def schemas(self) -> set[object]:
        rows = self.admin.execute("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'")
        return {name for (name,) in rows}

    def backends(self) -> list[object]:
        """Return the application names of the stacks' backends."""
        rows = self.admin.execute(
            "SELECT application_name FROM pg_stat_activity"
            " WHERE application_name LIKE 'harness-%' AND datname = current_database()"
        )
        return [name for (name,) in rows]


@contextlib.contextmanager
def owned(database: Database, name: str) -> Iterator[Own]:
    """Yield a database called `name`."""
    address = database.address
    main = psycopg.connect(database.dsn, password=database.password, autocommit=True)
    with main:
        main.execute(f"CREATE ROLE {name}_owner LOGIN PASSWORD '{PASSWORD}'")
        main.execute(f"CREATE DATABASE {name} OWNER {name}_owner")
        place = f"{address.host}:{address.port}/{name}"
        with psycopg.connect(
            f"postgresql://{name}_owner@{place}", password=PASSWORD, autocommit=True
        ) as admin:
            yield Own(f"postgresql://{name}_owner:{PASSWORD}@{place}", admin)
        main.execute(f"DROP DATABASE {name} WITH (FORCE)")
        main.execute(f"DROP ROLE {name}_owner")


@pytest.fixture
def own(database: Database) -> Iterator[Own]:
    with owned(database, "theirs") as found:
        yield found
