"""A proxy before a Postgres that passes every byte on as it came, and listens.

It is for a single request at a time, never for one that is timed: it costs a process switch
each way.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

from harness.wire.conversation import Connection, Trip
from harness.wire.messages import Dialogue, Message

HOST = "127.0.0.1"
CHUNK = 65536
POLL_S = 0.01


class Tap:
    """What has been heard on the connections through one proxy, which listens on `port`."""

    def __init__(self) -> None:
        self.port = 0
        self.encrypted = False
        self._connections: list[Connection] = []
        self._heard_ns = time.monotonic_ns()

    @property
    def trips(self) -> list[Trip]:
        """All round trips since `forget`, in the order they began."""
        found = [trip for each in self._connections for trip in each.trips]
        return sorted(found, key=lambda trip: trip.began_ns)

    def forget(self) -> None:
        """Listen anew, with what is prepared known."""
        for each in self._connections:
            each.forget()

    async def quiet(self, for_s: float, deadline_s: float) -> None:
        """Wait until nothing was said for a while, nothing is owed and no transaction is open.

        That is when a request is over for the database. Returns after `deadline_s` all the same.
        """
        deadline_ns = time.monotonic_ns() + round(deadline_s * 1e9)
        while (now_ns := time.monotonic_ns()) < deadline_ns:
            silent = now_ns - self._heard_ns >= for_s * 1e9
            if silent and all(each.settled for each in self._connections):
                return
            await asyncio.sleep(POLL_S)

    def connected(self) -> "tuple[Connection, Dialogue]":
        """Add a connection."""
        connection = Connection(len(self._connections) + 1)
        self._connections.append(connection)
        return connection, Dialogue()

    def hear(self, hears: Callable[[int, Message], None], said: list[Message]) -> None:
        """Have a connection hear what was said on it."""
        self._heard_ns = time.monotonic_ns()
        for message in said:
            hears(self._heard_ns, message)


@contextlib.asynccontextmanager
async def tapped(host: str, port: int) -> AsyncIterator[Tap]:
    """Yield a tap on the way to the Postgres at `host` (a folder: its Unix socket) and `port`."""
    tap, served = Tap(), set[asyncio.Task[None]]()

    def accept(client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        # A task of ours: one that asyncio makes of a coroutine complains when it is cancelled.
        task = asyncio.create_task(_pass_on(tap, host, port, client, back))
        served.add(task)
        task.add_done_callback(served.discard)

    listener = await asyncio.start_server(accept, HOST, 0)
    tap.port = listener.sockets[0].getsockname()[1]
    try:
        yield tap
    finally:
        listener.close()
        for task in served:
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)


async def _pass_on(
    tap: Tap, host: str, port: int, client: asyncio.StreamReader, back: asyncio.StreamWriter
) -> None:
    """Serve one connection until both sides have closed it, or one has broken it."""
    writers = [back]
    try:
        server, forth = await _connected(host, port)
        writers.append(forth)
        connection, dialogue = tap.connected()

        def from_client(data: bytes) -> None:
            tap.hear(connection.client, dialogue.from_client(data))

        def from_server(data: bytes) -> None:
            tap.hear(connection.server, dialogue.from_server(data))
            tap.encrypted |= dialogue.opaque

        await asyncio.gather(_copy(client, forth, from_client), _copy(server, back, from_server))
    except OSError:  # either side is gone: the other one sees its connection close
        pass
    finally:
        for writer in writers:
            writer.close()


async def _connected(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    return await asyncio.open_connection(host, port)


async def _copy(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, hear: Callable[[bytes], None]
) -> None:
    while data := await source.read(CHUNK):
        hear(data)
        sink.write(data)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()
