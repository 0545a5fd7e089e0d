"""The generator process: `python -m harness.load.generator`, a job on stdin, an answer on stdout.

It fires at one target at a time while the others idle, in the order the runner gave, so
that all targets see the same machine. It imports no adapter, no web framework and no
driver: starting it is part of every block.
"""

import asyncio
import contextlib
import functools
import gc
import itertools
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import uvloop

from harness.load import crew
from harness.load.alarm import alarm
from harness.load.job import Answer, Job, Target, TargetAnswer
from harness.load.lag import LagMeter
from harness.load.loader import Clocks, Loader
from harness.load.openloop import OpenLoader
from harness.load.pgbench import Pgbench
from harness.load.search import at_first, search
from harness.load.slices import give, real_slice_s
from harness.observe.cpu import DatabaseCpu, cpu_ns

TICK_S = 0.025
"""How often timeouts are looked for and lag is sampled: no timer per request. On a virtual
machine a tick cost some 0.1 ms of CPU, wake-up and all: every 10 ms, 3 % of what requests do."""

SPARE_DESCRIPTORS = 64
"""For all that is no connection: clocks, pipes, the loop's own."""


def main() -> None:
    """Read a job, fire, write the answer."""
    job = Job.from_json(sys.stdin.buffer.read())
    follows = job.seat is not None and not job.seat.leads
    try:
        answer = uvloop.run(follow(job) if follows else fire(job))
    except crew.Alone as reason:
        print(reason, file=sys.stderr)
        sys.exit(crew.ENDED_BY_ANOTHER)
    sys.stdout.buffer.write(answer.to_json())


async def fire(job: Job) -> Answer:
    """Do the job. Raises ValueError when its rounds never come to one of its targets."""
    if set(range(len(job.shares))) - set(itertools.chain(*job.rounds)):
        raise ValueError("rounds: expected every target in at least one of them")
    async with crew.beside(job.seat) as followers:
        return await fire_with(job, followers)


async def fire_with(job: Job, followers: Sequence[crew.Channel]) -> Answer:
    """Do the job, with each of `followers` doing its own part at the same time."""
    database = None
    if job.postmaster_pid is not None:
        database = DatabaseCpu(job.postmaster_pid, uncounted_pids=job.uncounted_pids)
    own = loaders_of(job, database)
    loaders = crew.shared(own, followers)
    if job.pgbench is not None:
        loaders.append(Pgbench(job.pgbench, job.timeout_s, database))
    lag, shares = LagMeter(every_s(job.timeout_s)), job.shares
    with undisturbed(), ended_by_bugs(), lag:
        await asyncio.gather(*(each.open() for each in loaders))
        with ticking(job.timeout_s, [each.end_overdue for each in loaders]):
            least_s = min(job.slice_s, job.warmup_s)
            await give(job.rounds, job.warmup_s, least_s, [each.warm for each in loaders], shares)
        # Of a server that hardly answers, 20 latencies would be minutes.
        most_s = job.measure_s + job.timeout_s / 2
        slice_s = real_slice_s(job.slice_s, [each.warmup_median_ns for each in loaders], most_s)
        with ticking(job.timeout_s, [*(each.end_overdue for each in loaders), lag.tick]):
            searched: Sequence[TargetAnswer] = ()
            if job.slo is None:
                measure = [each.measure for each in loaders]
                await give(job.rounds, job.measure_s, slice_s, measure, shares)
            else:
                closed = [each for each in own if isinstance(each, Loader)]
                slice_s, searched = await search(job, job.slo, closed, lag.begin_anew)
        await asyncio.gather(*(each.close() for each in loaders))
    # Only now: pgbench's log is whole when it has ended.
    answers = searched or [each.answer() for each in loaders]
    return Answer(slice_s, tuple(answers), lag.p99_ns, lag.late_p99_ns)


async def follow(job: Job) -> Answer:
    """Do a follower's part of a job, slice by slice as its leader says."""
    loaders = loaders_of(job, None)
    follower = crew.Follower(loaders)
    lag = LagMeter(every_s(job.timeout_s))

    def tick_lag() -> None:
        if follower.measuring:
            lag.tick()

    calls = [*(each.end_overdue for each in loaders), tick_lag]
    async with crew.beside(job.seat) as (leader,):
        with undisturbed(), ended_by_bugs(), lag, ticking(job.timeout_s, calls):
            await follower.follow(leader)
    answers = tuple(each.answer() for each in loaders)
    return Answer(job.slice_s, answers, lag.p99_ns, lag.late_p99_ns)


def loaders_of(job: Job, database: DatabaseCpu | None) -> Sequence[Loader | OpenLoader]:
    """Return what loads the servers of a job, having seen to room for their connections."""
    allow_descriptors(sum(each.connections for each in job.targets) + SPARE_DESCRIPTORS)
    chance = random.Random(job.seed)
    return [
        loader(each, job, functools.partial(read_clocks, each.pids, database), chance)
        for each in job.targets
    ]


def loader(
    target: Target, job: Job, clocks: Callable[[], Clocks], chance: random.Random
) -> Loader | OpenLoader:
    """Return what loads `target`: in a closed loop, or at the job's pace."""
    if job.pace is None:
        return Loader(target, job.timeout_s, clocks, chance, at_first(job, target))
    return OpenLoader(target, job.pace, job.timeout_s, clocks, chance)


def read_clocks(pids: Sequence[int], database: DatabaseCpu | None) -> Clocks:
    """Read all clocks, at both edges of a window in the same order.

    Each clock then covers a time as long as the window, however long reading takes.
    """
    return Clocks(
        now_ns=time.monotonic_ns(),
        load_cpu_ns=time.process_time_ns(),
        app_cpu_ns=cpu_ns(pids),
        db_cpu_ns=None if database is None else database.read(),
    )


def allow_descriptors(wanted: int) -> None:
    """Raise the soft limit on open files as far as `wanted`, if the hard one lets it.

    A shell's 1,024 are the connections of four targets with 256 each.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):  # macOS has lower limits of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def every_s(timeout_s: float) -> float:
    """Return `TICK_S`, or what is often enough for a shorter timeout."""
    return min(TICK_S, timeout_s / 4)


@contextlib.contextmanager
def ticking(timeout_s: float, calls: Sequence[Callable[[], None]]) -> Iterator[None]:
    """Make `calls` every `every_s(timeout_s)`."""
    tick_ns = round(every_s(timeout_s) * 1e9)

    def tick() -> None:
        bell.set(time.monotonic_ns() + tick_ns)
        for call in calls:
            call()

    bell = alarm(tick)
    bell.set(time.monotonic_ns() + tick_ns)
    try:
        yield
    finally:
        bell.close()


@contextlib.contextmanager
def ended_by_bugs() -> Iterator[None]:
    """Let an exception in a callback end the job: a client that died would be waited for."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def end(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        loop.default_exception_handler(context)
        task.cancel()

    loop.set_exception_handler(end)
    try:
        yield
    finally:
        loop.set_exception_handler(None)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Keep the garbage collector away: nothing on the hot path makes cycles."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


if __name__ == "__main__":
    main()
