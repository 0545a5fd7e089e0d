"""What the database says of itself: its facts, and which backends belong to which stack."""

import asyncio
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from harness.database.address import Address, Session

RECORDED_SETTINGS = (
    "autovacuum",
    "fsync",
    "full_page_writes",
    "io_method",
    "jit",
    "max_connections",
    "shared_buffers",
    "ssl",
    "synchronous_commit",
    "work_mem",
)
"""The settings that move these endpoints' numbers, recorded in `env.json`."""

GO_WITHIN_S, END_WITHIN_S = 0.5, 2.0
"""For backends whose clients have gone, and then for those that were told to go."""

POLL_S = 0.02

OURS = """
FROM pg_stat_activity
WHERE application_name = ANY(%s) AND datname = current_database() AND usename = current_user
"""
LIVING = f"SELECT count(*) {OURS}"
END = f"SELECT pg_terminate_backend(pid) {OURS}"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report must say of the server."""

    version: str
    settings: dict[str, str]


async def facts(address: Address) -> Facts:
    """Ask the server who it is."""
    async with await address.connect() as connection:
        rows = await connection.execute(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)",
            (list(RECORDED_SETTINGS),),
        )
        settings = {str(name): str(value) for name, value in await rows.fetchall()}
        version = await connection.execute("SELECT current_setting('server_version')")
        (number,) = await version.fetchone() or ("",)
    return Facts(str(number), dict(sorted(settings.items())))


async def backends(session: Session, application_name: str) -> list[int]:
    """Return the pids, on the database's machine, of the backends of one application."""
    rows = await session.execute(
        "SELECT pid FROM pg_stat_activity WHERE application_name = %s ORDER BY pid",
        (application_name,),
    )
    return [int(str(pid)) for (pid,) in await rows.fetchall()]


async def end_backends(session: Session, application_names: Sequence[str]) -> None:
    """Return when no backend of these names is left in this database; those that stay are ended.

    A backend goes with its client, but not in the middle of a statement: of that it learns
    when it has an answer to send.
    """
    begun = time.monotonic()
    names = (list(application_names),)
    while await (await session.execute(LIVING, names)).fetchone() != (0,):
        passed_s = time.monotonic() - begun
        if passed_s > GO_WITHIN_S + END_WITHIN_S:
            return
        if passed_s > GO_WITHIN_S:
            await session.execute(END, names)
        await asyncio.sleep(POLL_S)


async def local_postmaster(address: Address) -> int | None:
    """Return the postmaster's pid when the server's processes can be seen from here, else None.

    A backend's pid is the database machine's. It is ours to read only when a
    process of that number here is a Postgres whose start the server confirms by
    being our connection's peer, so the name and the parent's name are both asked.
    """
    if platform.system() != "Linux" or not _is_loopback(address.host):
        return None
    async with await address.connect() as connection:
        pid = connection.info.backend_pid
        try:
            backend = psutil.Process(pid)
            parent = backend.parent()
            same = backend.name() == "postgres" and parent is not None
            return parent.pid if same and parent and parent.name() == "postgres" else None
        except psutil.Error:
            return None


def _is_loopback(host: str) -> bool:
    return host.startswith(("/", "127.")) or host in ("localhost", "::1")
