"""How a command that starts processes runs: with its own, ended in order by a signal."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from harness.processes import Processes, on_signals, watched

Result = TypeVar("Result")


def with_processes(job: Callable[[Processes], Coroutine[Any, Any, Result]]) -> Result:
    """Run `job` with a `Processes` of its own, ended in order by SIGINT and SIGTERM.

    Raises CancelledError when a signal ended it.
    """

    async def guarded() -> Result:
        task = asyncio.current_task()
        assert task is not None
        with on_signals(task), watched() as processes:
            return await job(processes)

    return asyncio.run(guarded())
