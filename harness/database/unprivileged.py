"""Where and as whom a server runs that refuses to run as root."""

import contextlib
import os
import pwd
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.errors import NothingMeasurable
from harness.processes import Processes

HOST = "127.0.0.1"


class PortTaken(Exception):
    """Somebody took the free port between our finding it and the server binding it."""


@contextlib.contextmanager
def folder(processes: Processes, prefix: str) -> Iterator[Path]:
    """Yield a new temporary folder that whoever the server runs as can get into."""
    if os.geteuid() == 0 and not open_to_all(Path(tempfile.gettempdir())):
        with processes.directory(prefix, parent=Path("/var/tmp")) as made:  # noqa: S108
            yield made
    else:
        with processes.directory(prefix) as made:
            yield made


def owner(folder: Path, what: str) -> int | None:
    """Return the uid to run `what` as: ourselves (None), or `nobody`, who gets `folder`, for root.

    Raises `NothingMeasurable` when root has no such user.
    """
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody").pw_uid
    except KeyError:
        raise NothingMeasurable(
            f"database: {what} refuses to run as root and there is no user 'nobody' to run it "
            "as; run the harness as an ordinary user, or name a server with --dsn"
        ) from None
    os.chown(folder, nobody, nobody)
    return nobody


def secret(path: Path, content: str, owner: int | None) -> None:
    """Write a file that nobody but its owner may read."""
    path.touch(mode=0o600)
    path.write_text(content)
    if owner is not None:
        os.chown(path, owner, owner)


def open_to_all(path: Path) -> bool:
    """Whether any user may get into `path`."""
    return all(
        each.stat().st_mode & stat.S_IXOTH for each in (path.resolve(), *path.resolve().parents)
    )


def free_port() -> int:
    """Return a loopback port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
