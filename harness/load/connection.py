"""One connection that asks, checks the answer, notes how long it took, and asks again.

`Connection.buffer_updated` is the hot path: it runs once per answer and decides what a
request costs. An answer of the shape learned from the one before it is recognised by
one compare in place; everything else takes `_look_closer`, which parses.
"""

import asyncio
import os
import random
import time
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from harness.load.http import UNKNOWN, MalformedError, Reply, ReplyReader, Shape
from harness.load.job import Request
from harness.model import ERROR_CLASSES

BUFFER_BYTES = 65536
"""To begin with: longer than any list endpoint's answer, shorter than the L2 cache."""

BUFFER_BYTES_MAX = 256 * 1024 * 1024

CHECK_EVERY = 64
"""Answers between two whose bytes are compared, in the mean."""

APP_CLASSES = ERROR_CLASSES[:4]
"""The classes an `x-error` header may name; the rest are the client's own to give."""

BACK_OFF_MIN_S, BACK_OFF_MAX_S = 0.01, 1.0
"""Wait before the second reconnect in a row, and the longest: a dead server gets a few
attempts a second from each connection, not a busy loop."""

monotonic_ns = time.monotonic_ns
write = os.write


class Owner(Protocol):
    """Whom a connection tells what happens to it."""

    def failed(self, error_class: str, message: str) -> None:
        """Count one failed request."""

    def reconnected(self) -> None:
        """Count one connection after a client's first."""

    def answered(self) -> None:
        """Count down: this client had the answer that it was to tell of, good or bad."""

    def rested(self) -> None:
        """Count down: this client has nothing in flight any more."""


def ignore(latency_ns: int, /) -> None:
    """Record nothing."""


def _unconnected(data: bytes, /) -> None:
    raise AssertionError("written to a connection that is not open")


class Connection(asyncio.BufferedProtocol):
    """One client of a closed loop, over one kept-alive connection at a time.

    `record` is called with the latency of each good answer, in nanoseconds. It counts
    from when the request was due: when the one before it was answered, so that the time
    to connect again, if it took that, is part of it. `start`, `ask` and `stop` are the only
    places that decide when a request is due. `sent_ns` is when what `ask` asked was written.
    """

    __slots__ = (
        "_active",
        "_awaited",
        "_buffer",
        "_connected_before",
        "_descriptor",
        "_dialling",
        "_due_ns",
        "_failures",
        "_filled",
        "_firing",
        "_head",
        "_host",
        "_leaving",
        "_length",
        "_many",
        "_owner",
        "_port",
        "_random",
        "_raw",
        "_raw_length",
        "_reader",
        "_requests",
        "_retry",
        "_room",
        "_shapes",
        "_starts",
        "_then",
        "_timeout_s",
        "_transport",
        "_turn",
        "_until_check",
        "_view",
        "_write",
        "record",
        "sent_ns",
    )

    def __init__(
        self,
        owner: Owner,
        address: tuple[str, int],
        requests: Sequence[Request],
        first: int,
        timeout_s: float,
        chance: random.Random,
    ) -> None:
        self._owner = owner
        self._host, self._port = address
        self._requests = requests
        self._many = len(requests) > 1
        self._turn = first % len(requests)
        self._raw = requests[self._turn].raw
        self._raw_length = len(self._raw)
        self._descriptor = -1
        self._shapes = [UNKNOWN] * len(requests)
        self._expect(UNKNOWN)
        self._timeout_s = timeout_s
        self._random = chance
        self._until_check = 1
        self._filled = 0
        self._use(bytearray(BUFFER_BYTES))
        self._reader: ReplyReader | None = None
        self._transport: asyncio.Transport | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._write: Callable[[bytes], None] = _unconnected
        self._firing = self._active = self._leaving = self._connected_before = False
        self._awaited = False
        self._then = ignore
        self._due_ns = 0
        self.sent_ns = 0
        self._failures = 0
        self.record: Callable[[int], None] = ignore

    # When requests are due.

    def start(self) -> None:
        """Send requests, one after another's answer, from now until `stop`."""
        self._firing = self._active = True
        self._due_ns = monotonic_ns()
        if self._transport is not None and not self._leaving:
            self._write(self._raw)
        elif self._transport is None and self._dialling is None:
            self._dial()

    def ask(self, due_ns: int) -> None:
        """Send one request that was due at `due_ns`, from rest.

        It is one because the owner calls `stop` when it hears how that request ended:
        nothing here, nor in the closed loop, has to ask which kind of loop this is.
        """
        self.start()
        self.sent_ns, self._due_ns = self._due_ns, due_ns
        if self._transport is not None and not self._leaving:
            self._expect(self._shapes[self._turn])  # which a rest forgets

    def stop(self) -> None:
        """Send no more; the owner hears `rested` once what is in flight has ended."""
        self._firing = False
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
            self._rest()

    def give_up_if_due_before(self, limit_ns: int) -> None:
        """End a request that was due before `limit_ns` and has no answer yet: a timeout."""
        connected = self._transport is not None and not self._leaving
        if self._active and connected and self._due_ns < limit_ns:
            self._fail_and_leave("timeout", f"no answer within {self._timeout_s:g} s")

    def abandon(self) -> None:
        """Leave what is in flight, which is no failure: nobody waited for it long enough."""
        if self._active:
            self._leave()
            self._rest()

    def record_with(self, record: Callable[[int], None]) -> None:
        """Record with `record` from now on, and tell the owner of nothing."""
        self._awaited = False
        self.record = record

    def tell_next(self, record: Callable[[int], None]) -> None:
        """Tell the owner of the next answer, good or bad; `record` it and those after it."""
        self._awaited = True
        self._then = record
        self.record = self._told

    async def open(self) -> None:
        """Connect, if the server lets it; the first request tries again if not."""
        self._dial()
        if self._dialling is not None:
            await asyncio.wait([self._dialling])

    async def close(self) -> None:
        """End the connection and any attempt at one."""
        self._firing = self._active = False
        if self._retry is not None:
            self._retry.cancel()
        if self._dialling is not None:
            self._dialling.cancel()
            await asyncio.wait([self._dialling])
        if self._transport is not None:
            self._leave()

    # What the event loop calls.

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Take `nbytes` more of the answer. The hot path."""
        filled = self._filled + nbytes
        self._until_check -= 1
        if (
            filled == self._length
            and self._starts(self._head)
            and (self._until_check > 0 or self._body_is_right())
        ):
            now_ns = monotonic_ns()
            self.record(now_ns - self._due_ns)
            if self._filled:  # it came in pieces
                self._begin_answer()
            if self._many:
                self._take_next_request()
            if self._firing:
                self._due_ns = now_ns
                # Past the transport, which would queue it: nothing can be before it, and in
                # the transport's own callback the descriptor is certain to be its own.
                try:
                    sent = write(self._descriptor, self._raw)
                except OSError:
                    sent = 0  # the transport meets the same error, or waits for room
                if sent != self._raw_length:
                    self._write(self._raw[sent:])
            else:
                self._rest()
        else:
            self._look_closer(filled)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request that is due, if one is."""
        # A cast, for uvloop's transports are not asyncio's by inheritance.
        self._transport = cast("asyncio.Transport", transport)
        self._write = self._transport.write
        self._descriptor = self._transport.get_extra_info("socket").fileno()
        self._begin_answer()
        self._expect(UNKNOWN)  # so that the first answer of each connection is parsed
        if self._connected_before:
            self._owner.reconnected()
        self._connected_before = True
        if self._firing:
            self.sent_ns = monotonic_ns()
            self._write(self._raw)
        else:
            self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Settle what was in flight and connect again. The only place that does.

        A connection this side gave up ends here too, so that never two are open at once.
        """
        self._transport = None
        self._write = _unconnected
        if self._leaving:
            self._leaving = False
        elif self._active:
            self._settle_at_close(exc)
        self._go_on()

    # Everything that is not the hot path.

    def _use(self, buffer: bytearray) -> None:
        self._buffer = buffer
        self._starts = buffer.startswith
        self._view = memoryview(buffer)
        self._room = self._view[self._filled :]

    def _body_is_right(self) -> bool:
        """Compare the bytes of an answer whose turn it is; a difference is told by parsing it."""
        self._until_check = self._random.randint(1, 2 * CHECK_EVERY - 1)
        body = self._requests[self._turn].body
        return body is None or self._starts(body, len(self._head))

    def _expect(self, shape: Shape) -> None:
        # Attributes of its own: the hot path then reads one object.
        self._head = shape.head
        self._length = shape.length

    def _begin_answer(self) -> None:
        self._filled = 0
        self._room = self._view
        self._reader = None

    def _take_next_request(self) -> None:
        self._turn = (self._turn + 1) % len(self._requests)
        self._raw = self._requests[self._turn].raw
        self._raw_length = len(self._raw)
        self._expect(self._shapes[self._turn])

    def _look_closer(self, filled: int) -> None:
        """Parse what came: an answer in pieces, of a new shape, bad, or up for its check."""
        if not self._active:  # nobody asked: the server is done with this connection
            self._leave()
        elif self._reader is None and self._shapes[self._turn].partly_in(self._buffer, filled):
            self._wait_for_more(filled)
        else:
            self._parse(filled)

    def _parse(self, filled: int) -> None:
        self._reader = self._reader or ReplyReader()
        try:
            reply = self._reader.read(self._buffer, filled)
        except MalformedError as problem:
            self._fail_and_leave("body", str(problem))
            return
        if reply is None:
            self._wait_for_more(filled)
        elif reply.end < filled:
            surplus = filled - reply.end
            self._fail_and_leave("body", f"{surplus} bytes after the end of the answer")
        else:
            self._complete(reply)

    def _wait_for_more(self, filled: int) -> None:
        end = self._reader.end if self._reader is not None else None
        wanted = max(filled + 1, end or 0)
        self._filled = filled
        if wanted > BUFFER_BYTES_MAX:
            self._fail_and_leave("body", f"an answer of more than {BUFFER_BYTES_MAX} bytes")
        elif wanted > len(self._buffer):
            larger = bytearray(max(wanted, 2 * len(self._buffer)))
            larger[:filled] = self._view[:filled]
            self._use(larger)
        else:
            self._room = self._view[filled:]

    def _complete(self, reply: Reply) -> None:
        """Take a whole answer, and go on."""
        now_ns = monotonic_ns()
        if self._take(reply, now_ns):
            self._shapes[self._turn] = Shape.of(reply, self._buffer) or UNKNOWN
            self._expect(self._shapes[self._turn])
        self._begin_answer()
        if self._many:
            self._take_next_request()
        self._due_ns = now_ns
        if not reply.head.keep_alive:
            self._leave()
        elif self._firing:
            self._write(self._raw)
        else:
            self._rest()

    def _take(self, reply: Reply, now_ns: int) -> bool:
        """Record a good answer or count a bad one; whether it was good."""
        self._failures = 0
        failure = judge(reply, self._requests[self._turn])
        if failure is None:
            self.record(now_ns - self._due_ns)
        else:
            self._fail(*failure)
        return failure is None

    def _settle_at_close(self, exc: Exception | None) -> None:
        """Take the end of a connection with a request in flight as the answer's end, or a reset."""
        reply = None
        if self._reader is not None and exc is None:
            reply = self._reader.read_to_close(self._buffer, self._filled)
        if reply is not None:
            now_ns = monotonic_ns()
            self._take(reply, now_ns)
            self._due_ns = now_ns
            if self._many:
                self._take_next_request()
        else:
            self._failures += 1
            when = "in mid-answer" if self._filled else "before an answer"
            self._fail("reset", f"connection closed {when}" + (f": {exc}" if exc else ""))

    def _fail(self, error_class: str, message: str) -> None:
        self._owner.failed(error_class, message)
        self._due_ns = monotonic_ns()
        if self._awaited:
            self._awaited = False
            self.record = self._then
            self._owner.answered()

    def _told(self, latency_ns: int, /) -> None:
        # Before the owner is told: it may change at once what is recorded.
        self._awaited = False
        self.record = self._then
        self.record(latency_ns)
        self._owner.answered()

    def _fail_and_leave(self, error_class: str, message: str) -> None:
        self._failures += 1
        self._fail(error_class, message)
        self._leave()

    def _leave(self) -> None:
        if self._transport is not None and not self._leaving:
            self._leaving = True
            self._transport.abort()

    def _rest(self) -> None:
        self._expect(UNKNOWN)  # what comes unasked for is looked at closely
        if self._active:
            self._active = False
            self._owner.rested()

    def _go_on(self) -> None:
        """Connect again if requests are due, at once after a first failure, then backing off."""
        if not self._firing:
            self._rest()
        elif self._failures < 2:
            self._dial()
        else:
            delay_s = min(BACK_OFF_MIN_S * 2 ** min(self._failures - 2, 20), BACK_OFF_MAX_S)
            loop = asyncio.get_running_loop()
            self._retry = loop.call_later(delay_s, self._dial_after_waiting)

    def _dial_after_waiting(self) -> None:
        self._retry = None
        self._due_ns = monotonic_ns()
        self._dial()

    def _dial(self) -> None:
        self._dialling = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        """Connect; success is told to `connection_made` before this returns."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.get_running_loop().create_connection(
                    lambda: self, self._host, self._port
                )
        except TimeoutError:
            self._dialled_in_vain("timeout", f"no connection within {self._timeout_s:g} s")
        except OSError as problem:
            reason = problem.strerror or str(problem)
            self._dialled_in_vain("connect", f"{self._host}:{self._port}: {reason}")
        self._dialling = None

    def _dialled_in_vain(self, error_class: str, message: str) -> None:
        self._dialling = None
        self._failures += 1
        if self._active:
            self._fail(error_class, message)
        self._go_on()


def judge(reply: Reply, request: Request) -> tuple[str, str] | None:
    """Return the error class and message of an answer that is not the right one, or None.

    A class of the app's own comes from `x-error`, whatever the status. Without it a 5xx is
    `app`, and any other status or body than the right one is `body`: an answer, but not
    the one asked for. The message of an error is its body's text.
    """
    head = reply.head
    if head.status == request.status:
        if request.body is None or reply.body == request.body:
            return None
        return "body", _difference(reply.body, request.body)
    text = reply.body[:1000].decode("utf-8", "replace").strip() or f"status {head.status}"
    if head.error_class in APP_CLASSES:
        return head.error_class, text
    if head.status >= 500:
        return "app", text
    return "body", f"expected status {request.status}, got {head.status}: {text}"


def _difference(body: bytes, right: bytes) -> str:
    if len(body) != len(right):
        return f"{len(body)} bytes where the verified answer has {len(right)}"
    at = next(i for i, (one, other) in enumerate(zip(body, right, strict=True)) if one != other)
    return f"byte {at} is not the verified answer's: {body[at : at + 40]!r}"
