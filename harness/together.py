"""Async contexts entered at the same time and left at the same time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

Value = TypeVar("Value")


@contextlib.asynccontextmanager
async def together(
    contexts: Sequence[AbstractAsyncContextManager[Value]],
) -> AsyncIterator[list[Value | BaseException]]:
    """Enter all of `contexts` concurrently; leave them concurrently at the end.

    Yields, in their order, what each gave or the exception it raised instead. What
    one raises on leaving passes, once all have been left. (An `AsyncExitStack` enters
    and leaves one after another: four servers would take four times as long to stop.)
    """
    leave = asyncio.Event()
    inside: set[asyncio.Future[Value]] = set()

    async def hold(
        context: AbstractAsyncContextManager[Value], entered: "asyncio.Future[Value]"
    ) -> None:
        try:
            async with context as value:
                inside.add(entered)
                if not entered.cancelled():
                    entered.set_result(value)
                await leave.wait()
        except asyncio.CancelledError:
            entered.cancel()
            raise
        except Exception as error:
            if entered.done():
                raise
            entered.set_exception(error)

    loop = asyncio.get_running_loop()
    values: list[asyncio.Future[Value]] = [loop.create_future() for _ in contexts]
    holders = [
        asyncio.create_task(hold(context, value))
        for context, value in zip(contexts, values, strict=True)
    ]
    try:
        yield await asyncio.gather(*values, return_exceptions=True)
    finally:
        leave.set()
        for holder, value in zip(holders, values, strict=True):
            # We may be leaving before it was entered. Once inside, a cancel would hit its clean-up.
            if value not in inside:
                holder.cancel()
        ended = await asyncio.gather(*holders, return_exceptions=True)
    failures = [error for error in ended if isinstance(error, Exception)]
    if failures:
        raise failures[0]
