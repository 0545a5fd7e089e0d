"""Starts the generator process from the runner's side and waits for its answer."""

import asyncio
import sys
import tempfile
from collections.abc import Mapping

from harness.errors import NothingMeasurable
from harness.load.job import Answer, Job
from harness.processes import Processes, finished


async def carry_out(
    job: Job,
    processes: Processes,
    *,
    cpus: frozenset[int] | None = None,
    deadline_s: float | None = None,
    env: Mapping[str, str] | None = None,
) -> Answer:
    """Give `job` to a generator process on `cpus`. Cancelling ends the process.

    Files, not pipes, carry the documents: neither side ever waits for the other to read.
    Raises `NothingMeasurable` when there was no answer, in `deadline_s` if one is given.
    """
    with (
        tempfile.TemporaryFile() as told,
        tempfile.TemporaryFile() as said,
        tempfile.TemporaryFile() as log,
    ):
        told.write(job.to_json())
        told.seek(0)
        argv = [sys.executable, "-m", "harness.load.generator"]
        async with processes.start(
            argv, env=env, cpus=cpus, stdin=told, stdout=said, stderr=log
        ) as process:
            try:
                code = await asyncio.wait_for(finished(process), deadline_s)
            except TimeoutError:
                raise NothingMeasurable(
                    f"generator: no answer after {deadline_s:.0f} s; it was stopped"
                ) from None
        log.seek(0)
        said.seek(0)
        if code:
            reason = b"".join(log.read().splitlines()[-1:]).decode("utf-8", "replace")
            raise NothingMeasurable(f"generator: ended with {code}: {reason}")
        return Answer.from_json(said.read())
