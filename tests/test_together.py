"""Contexts entered and left at the same time, whatever each of them does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from harness.together import together


class Journal:
    """What contexts did, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextlib.asynccontextmanager
    async def context(
        self,
        name: str,
        *,
        before: Callable[[], object] | None = None,
        after: BaseException | None = None,
        turns: int = 1,
    ) -> AsyncIterator[str]:
        """Take `turns` of the event loop to enter and as many to leave."""
        await _turns(turns)
        if before is not None:
            before()
        self.lines.append(f"enter {name}")
        try:
            yield name
        finally:
            await _turns(turns)
            self.lines.append(f"leave {name}")
            if after is not None:
                raise after


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def _raise(error: BaseException) -> Callable[[], object]:
    def act() -> object:
        raise error

    return act


def test_values_come_in_the_order_of_the_contexts() -> None:
    async def run() -> list[str | BaseException]:
        journal = Journal()
        slow, quick = journal.context("slow", turns=9), journal.context("quick")
        async with together([slow, quick]) as values:
            assert journal.lines == ["enter quick", "enter slow"]
            return values

    assert asyncio.run(run()) == ["slow", "quick"]


def test_all_are_entered_and_left_at_the_same_time() -> None:
    async def run() -> None:
        barrier, end = asyncio.Barrier(3), asyncio.Barrier(3)

        @contextlib.asynccontextmanager
        async def meeting() -> AsyncIterator[None]:
            await barrier.wait()  # one after another, nobody would get past this
            yield
            await end.wait()

        async with asyncio.timeout(30), together([meeting() for _ in range(3)]):
            pass

    asyncio.run(run())


def test_one_that_fails_to_enter_stands_among_the_values() -> None:
    async def run() -> None:
        journal, error = Journal(), OSError("no")
        contexts = [journal.context("a"), journal.context("b", before=_raise(error))]
        async with together(contexts) as values:
            assert values == ["a", error]
        assert journal.lines == ["enter a", "leave a"]

    asyncio.run(run())


def test_no_context_is_no_value() -> None:
    async def run() -> None:
        async with together([]) as values:
            assert values == []

    asyncio.run(run())


def test_an_error_in_the_body_passes_and_all_are_left() -> None:
    async def run() -> list[str]:
        journal = Journal()
        with pytest.raises(ValueError, match="mine"):
            async with together([journal.context("a"), journal.context("b", turns=3)]):
                raise ValueError("mine")
        return journal.lines

    assert asyncio.run(run()) == ["enter a", "enter b", "leave a", "leave b"]


def test_an_error_on_leaving_passes_once_all_have_been_left() -> None:
    async def run() -> list[str]:
        journal = Journal()
        failing = journal.context("a", after=OSError("stuck"))
        with pytest.raises(OSError, match="stuck"):
            async with together([failing, journal.context("b", turns=5)]):
                pass
        return journal.lines

    assert asyncio.run(run())[-1] == "leave b"


def test_the_bodys_error_is_not_hidden_by_one_on_leaving() -> None:
    async def run() -> None:
        with pytest.raises(ValueError, match="mine"):
            async with together([Journal().context("a", after=OSError("stuck"))]):
                raise ValueError("mine")

    asyncio.run(run())


def test_a_cancelled_body_leaves_all() -> None:
    async def run() -> list[str]:
        journal, ready = Journal(), asyncio.Event()

        async def body() -> None:
            async with together([journal.context("a"), journal.context("b")]):
                ready.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(body())
        await ready.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return sorted(journal.lines)

    assert asyncio.run(run()) == ["enter a", "enter b", "leave a", "leave b"]


@pytest.mark.parametrize("turns", range(12))
def test_cancelled_at_any_moment_it_leaves_what_it_entered(turns: int) -> None:
    """Also while some are in and others are not, and in the very turn in which one enters."""

    async def run() -> list[str]:
        journal = Journal()

        async def body() -> None:
            contexts = [journal.context(str(each), turns=each) for each in range(1, 8)]
            async with together(contexts):
                await asyncio.Event().wait()

        task = asyncio.create_task(body())
        await _turns(turns)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return journal.lines

    lines = asyncio.run(run())
    entered = {line.removeprefix("enter ") for line in lines if line.startswith("enter")}
    left = {line.removeprefix("leave ") for line in lines if line.startswith("leave")}
    assert entered == left
