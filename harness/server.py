"""A served stack, seen from the measuring side: started, ready, and gone again.

`serve` runs one Granian process tree with `harness.app`, waits until each of its
workers has its pool open and listens, and stops it when its context ends.
"""

import asyncio
import contextlib
import json
import os
import re
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.database.pgbouncer import Bouncer
from harness.errors import BadInput, ServerFailed
from harness.origin import Origin
from harness.processes import Processes, pin, tree

if TYPE_CHECKING:
    import subprocess

HOST = "127.0.0.1"

POLL_S = 0.01

WORKERS_KILL_TIMEOUT_S = 2
"""How long Granian lets a worker drain. A worker at rest needs a tenth of it; one whose requests
wait for a pool, though nobody waits for them any more, would need as long as they do."""

BACKLOG = 1024
"""Granian's default; raised where the generator opens more connections than that."""

FETCH_TIMEOUT_S = 10.0

_KEPT_PG_VARIABLES = frozenset({"PGPASSWORD", "PGPASSFILE"})
"""The libpq variables that do not change where a DSN leads or how its session behaves."""


@dataclass(frozen=True, slots=True)
class Server:
    """One stack's server, ready for requests. `pid` is Granian's own, above its workers.

    `bouncer` is the PgBouncer behind it, if there is one.
    `checkouts` are where its workers count how long requests waited for their pools.
    """

    name: str
    host: str
    port: int
    pid: int
    worker_pids: tuple[int, ...]
    bouncer: Bouncer | None = None
    checkouts: tuple[Path, ...] = ()

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"http://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole response; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@contextlib.asynccontextmanager
async def serve(
    processes: Processes,
    *,
    name: str,
    adapter: str,
    options: Mapping[str, object],
    dsn: str,
    password: str | None,
    workers: int,
    connections: int,
    cpus: frozenset[int] | None,
    port: int | None = None,
    deadline_s: float = 30.0,
    origin: Origin | None = None,
) -> AsyncIterator[Server]:
    """Yield the server of stack `name` once every worker's pool is full and it answers.

    `connections` is how many the generator will open; `password` goes into the
    environment alone, never into an argument or the DSN. `origin` is where its code comes
    from, None for here. Raises BadInput when `port` is taken, and ServerFailed, with the
    reason, as soon as a worker gives up or when `deadline_s` has passed.
    """
    with reserved(port) as bound, processes.directory("pg-stack-harness-server-") as folder:
        log = folder / "log"
        app = {"adapter": adapter, "options": dict(options), "dsn": dsn, "ready_dir": str(folder)}
        environment = served_environment(os.environ, json.dumps(app), password)
        target, python, cwd = "harness.app:app", sys.executable, None
        if origin is not None:
            target, environment = origin.app(folder, environment)
            python, cwd = origin.python, origin.tree
        argv = granian(bound, workers, connections, target, python=python)
        with log.open("wb") as sink:
            async with processes.start(
                argv, env=environment, cwd=cwd, stdout=sink, stderr=sink
            ) as process:
                pids = await _ready(name, process, folder, bound, workers, deadline_s)
                if cpus is not None:
                    # Only now: four stacks that import their packages on one CPU of two
                    # take half as long again, in every block.
                    pin(tree(process.pid), cpus)
                counted = tuple(folder / f"{pid}.checkouts" for pid in pids)
                yield Server(name, HOST, bound, process.pid, pids, checkouts=counted)


async def fetch(
    server: Server,
    method: str,
    path: str,
    body: object | None = None,
    *,
    timeout_s: float = FETCH_TIMEOUT_S,
) -> Answer:
    """Send one request on a connection of its own; `body` goes as JSON.

    Raises OSError or TimeoutError when there is no answer, ValueError when it is not HTTP.
    """
    return await asyncio.wait_for(_fetch(server.host, server.port, method, path, body), timeout_s)


def granian(
    port: int, workers: int, connections: int, *app: str, python: str = sys.executable
) -> list[str]:
    """Return the command that serves `app` the way every stack is served."""
    # Granian counts connections, not requests, against `backpressure`, and holds the
    # rest back without an error. The kernel may give one worker all of them.
    room = max(BACKLOG, 2 * connections)
    flags = {
        "--interface": "asgi",
        "--loop": "uvloop",
        "--http": "1",
        "--host": HOST,
        "--port": port,
        "--workers": workers,
        "--runtime-threads": 1,
        "--backlog": room,
        "--backpressure": room,
        "--workers-kill-timeout": WORKERS_KILL_TIMEOUT_S,
    }
    given = [str(each) for flag in flags.items() for each in flag]
    return [python, "-m", "granian", *given, "--no-ws", *app]


def served_environment(user: Mapping[str, str], app: str, password: str | None) -> dict[str, str]:
    """Return the user's environment without what would make one server unlike another.

    PGHOST, PGOPTIONS, PGSERVICE and their like would redirect a stack, and GRANIAN_*
    would override the flags above.
    """
    kept = {
        key: value
        for key, value in user.items()
        if key in _KEPT_PG_VARIABLES or not key.startswith(("PG", "GRANIAN_"))
    }
    # libpq's drivers ask for this time zone; asyncpg always answers in UTC.
    kept |= {"HARNESS_APP": app, "PGTZ": "UTC"}
    return kept if password is None else kept | {"PGPASSWORD": password}


@contextlib.contextmanager
def reserved(port: int | None) -> Iterator[int]:
    """Yield a port that is the server's alone for as long as the context lasts.

    Granian listens with SO_REUSEPORT on Linux, so a second server on the same port
    would start without an error and take half of the first one's requests. A free
    port that was only looked up could be given out again before Granian binds it.
    So a socket stays bound to it, with SO_REUSEPORT that Granian may join it, and not
    listening, so that no connection comes here: the kernel gives a port in use to
    nobody who asks for any.
    """
    if port is not None:
        _insist_free(port)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as holder:
        if sys.platform == "linux":
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            holder.bind((HOST, port or 0))
        except OSError as error:
            raise _taken(port, error) from error
        bound: int = holder.getsockname()[1]
        if sys.platform != "linux":  # Granian binds alone there
            holder.close()
        yield bound


def _insist_free(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As every server does: what is left in TIME_WAIT takes no port, a listener does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise _taken(port, error) from error


def _taken(port: int | None, error: OSError) -> BadInput:
    return BadInput(
        f"port {port or 'any'} is taken or not allowed ({error.strerror}): "
        "stop what listens there, or name another port"
    )


async def _ready(
    name: str,
    process: "subprocess.Popen[bytes]",
    folder: Path,
    port: int,
    workers: int,
    deadline_s: float,
) -> tuple[int, ...]:
    """Wait until all workers have said that they are ready and answer; their pids."""
    deadline = time.monotonic() + deadline_s
    while True:
        exited = process.poll() is not None  # before the files: its last word may be one
        _raise_failure(name, folder)
        if exited:
            raise ServerFailed(f"{name}: the server stopped at once: {_last_word(folder / 'log')}")
        pids = _ready_pids(folder)
        if len(pids) == workers and _listeners(port, workers) and await _answers(port):
            return pids
        if time.monotonic() > deadline:
            raise ServerFailed(
                f"{name}: not ready after {deadline_s:g} s ({len(pids)} of {workers} workers "
                f"have their pool open): {_last_word(folder / 'log')}"
            )
        await asyncio.sleep(POLL_S)


def _ready_pids(folder: Path) -> tuple[int, ...]:
    return tuple(sorted(int(each.stem) for each in folder.glob("*.ready")))


def _raise_failure(name: str, folder: Path) -> None:
    for report in sorted(folder.glob("*.failed")):
        said = json.loads(report.read_bytes())
        raise ServerFailed(f"{name}: {said['class']}: {said['message']}")


def _listeners(port: int, workers: int) -> bool:
    """Tell whether every worker listens, where that can be seen.

    On Linux each worker has a listener of its own, opened after its pool. Whoever
    connects before the last one does goes to the others, and stays there.
    """
    if sys.platform != "linux":
        return True
    try:
        lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    except OSError:  # a sandbox may hide it
        return True
    address = f"0100007F:{port:04X}" if sys.byteorder == "little" else f"7F000001:{port:04X}"
    return sum(line.split()[1] == address and line.split()[3] == "0A" for line in lines) >= workers


async def _answers(port: int) -> bool:
    try:
        answer = await asyncio.wait_for(_fetch(HOST, port, "GET", "/noop", None), 1.0)
    except (OSError, TimeoutError, ValueError):
        return False
    return answer.status == 200


async def _fetch(host: str, port: int, method: str, path: str, body: object | None) -> Answer:
    content = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(head.encode("latin-1") + content)
        return _parsed(await reader.read())
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _parsed(response: bytes) -> Answer:
    """Take apart a response that ended with its connection; Starlette gives each a length."""
    head, separator, body = response.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    status = re.fullmatch(r"HTTP/1\.[01] (\d{3}).*", first)
    if status is None or not separator:
        raise ValueError(f"not an HTTP answer: {response[:80]!r}")
    pairs = (line.partition(":") for line in lines)
    headers = {key.strip().lower(): value.strip() for key, _, value in pairs}
    if len(body) != int(headers.get("content-length", len(body))):
        raise ValueError(f"answer cut short: {len(body)} of {headers['content-length']} bytes")
    return Answer(int(status[1]), headers, body)


def _last_word(log: Path) -> str:
    """Find the line of a log that says most: the last exception, error, or line at all."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    for telling in (r"[\w.]*(Error|Exception|Exit)\b.*", r".*\[ERROR\].*"):
        found = [line for line in lines if re.fullmatch(telling, line)]
        if found:
            return found[-1]
    return lines[-1] if lines else "its log is empty"
