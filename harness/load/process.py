"""Starts the generator process, or several, from the runner's side and waits for the answer."""

import asyncio
import contextlib
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING

from harness.errors import NothingMeasurable
from harness.load.job import Answer, Job, Seat
from harness.load.split import merged, split
from harness.processes import Processes

if TYPE_CHECKING:
    import subprocess

POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Generator:
    """A generator that was started, and the files it writes."""

    process: "subprocess.Popen[bytes]"
    said: IO[bytes]
    log: IO[bytes]


async def carry_out(
    job: Job,
    processes: Processes,
    *,
    cpus: frozenset[int] | None = None,
    deadline_s: float | None = None,
    env: Mapping[str, str] | None = None,
    generators: int = 1,
) -> Answer:
    """Give `job` to a generator process on `cpus`, or to several. Cancelling ends them.

    Files, not pipes, carry the documents: neither side ever waits for the other to read.
    Raises `NothingMeasurable` when there was no answer, in `deadline_s` if one is given.
    """
    async with contextlib.AsyncExitStack() as stack:
        with _seated(split(job, generators)) as parts:
            started = [
                await stack.enter_async_context(_started(each, processes, cpus, env))
                for each in parts
            ]
        try:
            await asyncio.wait_for(_ended([each.process for each in started]), deadline_s)
        except TimeoutError:
            raise NothingMeasurable(
                f"generator: no answer after {deadline_s:.0f} s; it was stopped"
            ) from None
        _raise_failure(started)
        return merged([Answer.from_json(_read(each.said)) for each in started])


@contextlib.contextmanager
def _seated(parts: Sequence[Job]) -> Iterator[Sequence[Job]]:
    """Yield `parts` with a socket pair between the first and each other.

    Our copies of the sockets close with the context, when all have been started: then the
    end of a process is the end of its streams.
    """
    if len(parts) == 1:
        yield parts
        return
    lead, *others = parts
    with contextlib.ExitStack() as stack:
        pairs = [[stack.enter_context(end) for end in socket.socketpair()] for _ in others]
        leads = Seat(leads=True, descriptors=tuple(mine.fileno() for mine, _ in pairs))
        yield [
            replace(lead, seat=leads),
            *(
                replace(each, seat=Seat(leads=False, descriptors=(theirs.fileno(),)))
                for each, (_, theirs) in zip(others, pairs, strict=True)
            ),
        ]


@contextlib.asynccontextmanager
async def _started(
    job: Job, processes: Processes, cpus: frozenset[int] | None, env: Mapping[str, str] | None
) -> AsyncIterator[Generator]:
    with (
        tempfile.TemporaryFile() as told,
        tempfile.TemporaryFile() as said,
        tempfile.TemporaryFile() as log,
    ):
        told.write(job.to_json())
        told.seek(0)
        async with processes.start(
            [sys.executable, "-m", "harness.load.generator"],
            env=env,
            cpus=cpus,
            stdin=told,
            stdout=said,
            stderr=log,
            pass_fds=() if job.seat is None else job.seat.descriptors,
        ) as process:
            yield Generator(process, said, log)


async def _ended(processes: "Sequence[subprocess.Popen[bytes]]") -> None:
    """Wait until all have ended, or one has failed."""
    while True:
        codes = [each.poll() for each in processes]
        if any(codes) or None not in codes:
            return
        await asyncio.sleep(POLL_S)


def _raise_failure(generators: Sequence[Generator]) -> None:
    """Raise what the first generator to fail said: the others ended because it did.

    They say so with a code above its own, or have not ended yet; a signal's is below zero.
    """
    failed = [each for each in generators if each.process.returncode]
    if failed:
        first = min(failed, key=lambda each: each.process.returncode)
        reason = b"".join(_read(first.log).splitlines()[-1:]).decode("utf-8", "replace")
        raise NothingMeasurable(f"generator: ended with {first.process.returncode}: {reason}")


def _read(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
