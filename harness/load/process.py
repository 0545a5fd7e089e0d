"""Starts the generator process from the runner's side and waits for its answer."""

import sys
import tempfile

from harness.errors import NothingMeasurable
from harness.load.job import Answer, Job
from harness.processes import Processes, finished


async def carry_out(job: Job, processes: Processes, cpus: frozenset[int] | None = None) -> Answer:
    """Give `job` to a generator process on `cpus`. Cancelling ends the process.

    Files, not pipes, carry the documents: neither side ever waits for the other to read.
    Raises `NothingMeasurable` when the process ended without an answer, which is a bug.
    """
    argv = [sys.executable, "-m", "harness.load.generator"]
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as said:
        with tempfile.TemporaryFile() as complaints:
            told.write(job.to_json())
            told.seek(0)
            async with processes.start(
                argv, cpus=cpus, stdin=told, stdout=said, stderr=complaints
            ) as process:
                code = await finished(process)
            complaints.seek(0)
            reason = complaints.read().decode("utf-8", "replace").strip()
        if code != 0:
            last = reason.splitlines()[-1] if reason else "it said nothing"
            raise NothingMeasurable(f"the load generator ended with exit code {code}: {last}")
        said.seek(0)
        return Answer.from_json(said.read())
