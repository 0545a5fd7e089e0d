"""Small servers that behave, and misbehave, as a test says."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import uvloop

from harness.load.generator import fire
from harness.load.http import request_bytes
from harness.load.job import Answer, Job, Request, Target

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Respond = Callable[[bytes], Awaitable[list[bytes]]]
"""A request's head to the pieces of its answer; an empty piece closes the connection."""

BODY = b'{"id":7,"name":"Ada"}'


def answer_bytes(body: bytes = BODY, status: str = "200 OK", headers: bytes = b"") -> bytes:
    length = b"content-length: %d\r\n" % len(body)
    return b"HTTP/1.1 " + status.encode() + b"\r\n" + headers + length + b"\r\n" + body


@contextlib.asynccontextmanager
async def serving(handle: Handler) -> AsyncIterator[int]:
    """Serve on a free port, which is yielded; every connection ends with the context."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await handle(reader, writer)
        writer.close()
        tasks.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def observed_together() -> tuple[Callable[[str], Handler], list[int]]:
    """Return what makes a server, and how many of those had a request in flight at each answer."""
    in_flight: Counter[str] = Counter()
    together: list[int] = []

    def handler(name: str) -> Handler:
        async def respond(head: bytes) -> list[bytes]:
            in_flight[name] += 1
            await asyncio.sleep(0.002)
            together.append(sum(1 for each in in_flight.values() if each))
            in_flight[name] -= 1
            return [answer_bytes()]

        return keep_alive(respond)

    return handler, together


def keep_alive(respond: Respond) -> Handler:
    """Answer request after request on each connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            for piece in await respond(head):
                if not piece:
                    return
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)  # let it go out on its own

    return handle


def target(
    port: int,
    *,
    name: str = "one",
    connections: int = 4,
    body: bytes | None = BODY,
    paths: tuple[str, ...] = ("/",),
    pids: tuple[int, ...] = (),
) -> Target:
    requests = tuple(Request(request_bytes("GET", path, "localhost"), 200, body) for path in paths)
    return Target(name, "127.0.0.1", port, connections, requests, pids)


def job(
    *targets: Target,
    timeout_s: float = 5.0,
    slice_s: float = 0.05,
    warmup_s: float = 0.0,
    measure_s: float = 0.1,
) -> Job:
    rounds = (tuple(range(len(targets))),)
    return Job(timeout_s, slice_s, warmup_s, measure_s, targets, rounds)


def fired(*handlers: Handler, make: Callable[..., Job]) -> Answer:
    """Serve each handler, and fire the job that `make` makes of their ports."""

    async def run() -> Answer:
        async with contextlib.AsyncExitStack() as stack:
            ports = [await stack.enter_async_context(serving(each)) for each in handlers]
            return await asyncio.wait_for(fire(make(*ports)), 30)

    return uvloop.run(run())
