"""A PgBouncer of a stack's own, in transaction mode, between its app and the database.

Its own processes and files only, on loopback. It is the app's database as far as the app can
see, so it takes the same user and password, and asks the database with them.
Source: https://www.pgbouncer.org/config.html (1.18 and later).
"""

import asyncio
import contextlib
import os
import shutil
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.database import unprivileged
from harness.database.address import Address, Session
from harness.database.unprivileged import HOST, PortTaken, free_port
from harness.errors import NotInstalled, ServerFailed
from harness.processes import Processes

if TYPE_CHECKING:
    import subprocess

MISSING = (
    "no pgbouncer on the PATH: install it (Debian: apt-get install pgbouncer, "
    "Homebrew: brew install pgbouncer), or take via out of the stack"
)

SBIN = ("/usr/sbin", "/usr/local/sbin")
"""Where Debian keeps it, which is on the PATH of root alone."""

READY_WITHIN_S = 10.0
GONE_WITHIN_S = 3.0
POLL_S = 0.01

SPARE_CLIENTS = 16
"""Beside a stack's own connections: what cancels a query needs one for a moment."""

TLS: Mapping[str, str] = {
    "sslmode": "server_tls_sslmode",
    "sslrootcert": "server_tls_ca_file",
    "sslcert": "server_tls_cert_file",
    "sslkey": "server_tls_key_file",
}
"""What a DSN says of the way to its server, as PgBouncer calls it."""


@dataclass(frozen=True, slots=True)
class Bouncer:
    """A PgBouncer that listens: where, and as which process."""

    address: Address
    pid: int


def executable() -> str | None:
    """Return the path of pgbouncer; None where there is none."""
    return shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", ""), *SBIN]))


@contextlib.asynccontextmanager
async def bouncer(
    processes: Processes,
    database: Address,
    session: Session,
    *,
    application_name: str,
    pool_size: int,
    clients: int,
    cpus: frozenset[int] | None = None,
) -> AsyncIterator[Bouncer]:
    """Yield a PgBouncer before `database`, with at most `pool_size` connections to it.

    Its backends begin as `application_name`, and `backends` finds those that were renamed since;
    `session` is asked whether they have ended. `clients` may connect. Raises `NotInstalled`,
    and `ServerFailed` when it does not start.
    """
    tool = executable()
    if tool is None:
        raise NotInstalled(MISSING)
    with unprivileged.folder(processes, "harness-pgbouncer-") as folder:
        owner = unprivileged.owner(folder, "PgBouncer")
        users = folder / "users"
        unprivileged.secret(users, _line(database.user, database.password or ""), owner)
        async with contextlib.AsyncExitStack() as stack:
            for attempt in (1, 2, 3):
                port = free_port()
                conf = folder / f"pgbouncer-{attempt}.ini"
                text = _conf(database, port, users, application_name, pool_size, clients)
                unprivileged.secret(conf, text, owner)
                with contextlib.suppress(PortTaken):
                    running = _running(processes, [tool, str(conf)], folder, port, owner, cpus)
                    pid = await stack.enter_async_context(running)
                    break
                if attempt == 3:
                    raise ServerFailed("pgbouncer: three free ports in a row were taken by others")
            here = replace(database, host=HOST, port=port, parameters={"sslmode": "disable"})
            found = Bouncer(here, pid)
            yield found
            async with await console(found) as asked:
                left = await backends(asked)
    await _gone(session, left)


async def console(found: Bouncer) -> Session:
    """Open a session with a PgBouncer itself."""
    return await replace(found.address, dbname="pgbouncer").connect()


async def backends(console: Session) -> list[int]:
    """Return the pids, on the database's machine, of the connections that a PgBouncer holds.

    Not by `application_name`: the reset between two users of an asyncpg connection sets that back
    to nothing, and PgBouncer passes it on.
    """
    rows = await console.execute("SHOW SERVERS")
    names = [each.name for each in rows.description or ()]
    place = names.index("remote_pid")
    return sorted(int(str(row[place])) for row in await rows.fetchall())


async def _gone(session: Session, pids: Sequence[int]) -> None:
    """Wait until backends have ended, for what they did is counted only then."""
    deadline = time.monotonic() + GONE_WITHIN_S
    while time.monotonic() < deadline:
        rows = await session.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)", (list(pids),)
        )
        if await rows.fetchone() == (0,):
            return
        await asyncio.sleep(POLL_S)


def _conf(
    database: Address,
    port: int,
    users: Path,
    application_name: str,
    pool_size: int,
    clients: int,
) -> str:
    """Return `pgbouncer.ini`. It holds no password."""
    named = _quoted(f"SET application_name = {_quoted(application_name)}")
    where = f"host={_quoted(database.host)} port={database.port} connect_query={named}"
    settings: dict[str, object] = {
        "listen_addr": HOST,
        "listen_port": port,
        "unix_socket_dir": "",
        # Without a password the database trusts us, and so may PgBouncer.
        "auth_type": "trust" if database.password is None else "scram-sha-256",
        "auth_file": users,
        "pool_mode": "transaction",
        "default_pool_size": pool_size,
        "max_client_conn": clients + SPARE_CLIENTS,
        "stats_users": database.user,
        "ignore_startup_parameters": "extra_float_digits",
        "server_idle_timeout": 0,
        "log_connections": 0,
        "log_disconnections": 0,
        "stats_period": 86_400,
        **{TLS[key]: value for key, value in database.parameters.items() if key in TLS},
    }
    lines = [f"{name} = {value}" for name, value in settings.items()]
    return "\n".join(["[databases]", f"* = {where}", "[pgbouncer]", *lines]) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _line(user: str, password: str) -> str:
    """Return a line of PgBouncer's file of users."""
    return " ".join('"' + each.replace('"', '""') + '"' for each in (user, password)) + "\n"


@contextlib.asynccontextmanager
async def _running(
    processes: Processes,
    argv: Sequence[str],
    folder: Path,
    port: int,
    owner: int | None,
    cpus: frozenset[int] | None,
) -> AsyncIterator[int]:
    log = folder / "log"
    with log.open("wb") as sink:
        # Nothing of the user's environment: a PG variable is none of PgBouncer's business.
        env = {"PATH": os.defpath, "LC_ALL": "C"}
        async with contextlib.AsyncExitStack() as stack:
            started = processes.start(argv, env=env, cpus=cpus, stderr=sink, user=owner)
            try:
                process = await stack.enter_async_context(started)
            except OSError as error:  # in a folder, say, into which only root may look
                raise ServerFailed(f"{argv[0]}: cannot be started: {error.strerror}") from None
            await _ready(process, port, log)
            yield process.pid


async def _ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = await asyncio.to_thread(log.read_text, errors="replace")
            if "in use" in said or "cannot bind" in said:
                raise PortTaken
            raise ServerFailed(f"pgbouncer stopped at once: {_last_word(said)}")
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1.0):
            return
        await asyncio.sleep(POLL_S)
    raise ServerFailed(f"pgbouncer: not ready after {READY_WITHIN_S:.0f} s")


def _last_word(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "ERROR" in line]
    return (telling or lines or ["its log is empty"])[-1]
