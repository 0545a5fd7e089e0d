"""A proxy that counts what a driver says to Postgres: the proof of how often it waits."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from harness.database.address import Address


@dataclass
class Wire:
    """What clients have sent through the proxy: messages by first byte, simple queries in full."""

    address: Address
    messages: Counter[str] = field(default_factory=Counter)
    queries: list[str] = field(default_factory=list)

    @property
    def round_trips(self) -> int:
        """Times a client stopped and waited: after each Query, Sync and Flush."""
        return self.messages["Q"] + self.messages["S"] + self.messages["H"]

    @property
    def parses(self) -> int:
        return self.messages["P"]


@contextlib.asynccontextmanager
async def counted(address: Address) -> AsyncIterator[Wire]:
    """Yield a wire to the same database; its `address` leads through the proxy."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        server, forth = await asyncio.open_connection(address.host, address.port)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await asyncio.gather(_count(client, forth, wire), _copy(server, back))
        forth.close()
        back.close()

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    wire = Wire(replace(address, port=port))
    try:
        yield wire
    finally:
        listener.close()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while chunk := await source.read(65536):
        sink.write(chunk)
        await sink.drain()
    sink.close()


async def _count(source: asyncio.StreamReader, sink: asyncio.StreamWriter, wire: Wire) -> None:
    """Pass every message on; the first has no type, and all begin with their length."""
    kind = b""
    try:
        while True:
            length = await source.readexactly(4)
            body = await source.readexactly(int.from_bytes(length, "big") - 4)
            wire.messages[kind.decode()] += 1
            if kind == b"Q":
                wire.queries.append(body.rstrip(b"\0").decode())
            sink.write(kind + length + body)
            await sink.drain()
            kind = await source.readexactly(1)
    finally:
        sink.close()
