"""How the session of a request travels through the threads of a limiter.

A travel is called with the work and its arguments; the work gets the open session first.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal, ParamSpec, Protocol, TypeAlias, TypeVar

from anyio import CapacityLimiter, to_thread

Shape: TypeAlias = Literal["one_hop", "three_hops", "after_response"]

CLOSE_AFTER_S = 0.02
"""How long after its answer a session of `after_response` asks for a thread to be closed in:
the client has the answer by then, and has sent its next request."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Session(Protocol):
    """What is opened, worked with and closed: SQLAlchemy's Session, or its Connection."""

    def close(self) -> None:
        """Give the connection back."""


Open: TypeAlias = Callable[[], Session]


class Travel(Protocol):
    """One request's way through the threads."""

    async def __call__(self, work: Callable[..., Result], *arguments: object) -> Result:
        """Return what `work` returns for an open session and `arguments`."""
        ...


@asynccontextmanager
async def travelling(
    shape: Shape, open_session: Open, limiter: CapacityLimiter
) -> AsyncIterator[Travel]:
    """Yield the travel of that shape; no session is open when the context has ended."""
    if shape == "one_hop":
        yield OneHop(open_session, limiter)
    elif shape == "three_hops":
        yield ThreeHops(open_session, limiter)
    else:
        travel = AfterResponse(open_session, limiter)
        try:
            yield travel
        finally:
            await travel.close()


class OneHop:
    """Open, work and close in one hop, as a plain `def` endpoint does that opens its session."""

    __slots__ = ("_limiter", "_open")

    def __init__(self, open_session: Open, limiter: CapacityLimiter) -> None:
        self._open = open_session
        self._limiter = limiter

    async def __call__(self, work: Callable[..., Result], *arguments: object) -> Result:
        """Return what `work` returns for an open session and `arguments`."""
        return await to_thread.run_sync(self._all, work, arguments, limiter=self._limiter)

    def _all(self, work: Callable[..., Result], arguments: tuple[object, ...]) -> Result:
        session = self._open()
        try:
            return work(session, *arguments)
        finally:
            session.close()


class ThreeHops:
    """Open, work and close in a hop each, as a dependency of the endpoint's does.

    Between the second and the third a request holds a connection and waits for a thread,
    while others hold a thread and wait for a connection.
    """

    __slots__ = ("_limiter", "_open")

    def __init__(self, open_session: Open, limiter: CapacityLimiter) -> None:
        self._open = open_session
        self._limiter = limiter

    async def __call__(self, work: Callable[..., Result], *arguments: object) -> Result:
        """Return what `work` returns for an open session and `arguments`."""
        session = await to_thread.run_sync(self._open, limiter=self._limiter)
        try:
            return await to_thread.run_sync(work, session, *arguments, limiter=self._limiter)
        finally:
            await to_thread.run_sync(session.close, limiter=self._limiter)


class AfterResponse:
    """Open and work in a hop each, and close in one a little after the answer has gone."""

    __slots__ = ("_closing", "_limiter", "_open")

    def __init__(self, open_session: Open, limiter: CapacityLimiter) -> None:
        self._open = open_session
        self._limiter = limiter
        self._closing: set[asyncio.Task[None]] = set()

    async def __call__(self, work: Callable[..., Result], *arguments: object) -> Result:
        """Return what `work` returns for an open session and `arguments`."""
        session = await to_thread.run_sync(self._open, limiter=self._limiter)
        try:
            return await to_thread.run_sync(work, session, *arguments, limiter=self._limiter)
        finally:
            task = asyncio.create_task(self._close_later(session))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _close_later(self, session: Session) -> None:
        await asyncio.sleep(CLOSE_AFTER_S)
        await to_thread.run_sync(session.close, limiter=self._limiter)

    async def close(self) -> None:
        """Close what still waits for a thread: now there is one for each."""
        self._limiter.total_tokens = math.inf
        await asyncio.gather(*self._closing, return_exceptions=True)
