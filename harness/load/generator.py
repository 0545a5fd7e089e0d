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
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import uvloop

from harness.load import crew
from harness.load.job import Answer, Job
from harness.load.lag import LagMeter
from harness.load.loader import Clocks, Loader
from harness.load.pgbench import Pgbench
from harness.observe.cpu import DatabaseCpu, cpu_ns

SLICE_PER_LATENCY = 20
"""A slice lasts at least this many of the slowest target's median latencies, so that its
edges, where connections start and stop in step, are a small part of it."""

TICK_S = 0.01
"""How often timeouts are looked for and lag is sampled: no timer per request."""


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
    database = None if job.postmaster_pid is None else DatabaseCpu(job.postmaster_pid)
    loaders = crew.shared(loaders_of(job, database), followers)
    if job.pgbench is not None:
        loaders.append(Pgbench(job.pgbench, job.timeout_s, database))
    lag, shares = LagMeter(), job.shares
    with undisturbed(), ended_by_bugs(), lag:
        await asyncio.gather(*(each.open() for each in loaders))
        with ticking(job.timeout_s, [each.end_overdue for each in loaders]):
            least_s = min(job.slice_s, job.warmup_s)
            warm = [each.warm for each in loaders]
            await give(job.rounds, job.warmup_s, least_s, warm, shares)
        slice_s = real_slice_s(job.slice_s, [each.warmup_median_ns for each in loaders])
        with ticking(job.timeout_s, [*(each.end_overdue for each in loaders), lag.tick]):
            measure = [each.measure for each in loaders]
            await give(job.rounds, job.measure_s, slice_s, measure, shares)
        await asyncio.gather(*(each.close() for each in loaders))
    return Answer(slice_s, tuple(each.answer() for each in loaders), lag.p99_ns)


async def follow(job: Job) -> Answer:
    """Do a follower's part of a job, slice by slice as its leader says."""
    loaders = loaders_of(job, None)
    follower = crew.Follower(loaders)
    lag = LagMeter()

    def tick_lag() -> None:
        if follower.measuring:
            lag.tick()

    calls = [*(each.end_overdue for each in loaders), tick_lag]
    async with crew.beside(job.seat) as (leader,):
        with undisturbed(), ended_by_bugs(), lag, ticking(job.timeout_s, calls):
            await follower.follow(leader)
    return Answer(job.slice_s, tuple(each.answer() for each in loaders), lag.p99_ns)


def loaders_of(job: Job, database: DatabaseCpu | None) -> list[crew.Burden]:
    """Return the servers of a job as they are loaded."""
    chance = random.Random(job.seed)
    return [
        Loader(each, job.timeout_s, functools.partial(read_clocks, each.pids, database), chance)
        for each in job.targets
    ]


async def give(
    rounds: Sequence[Sequence[int]],
    each_s: float,
    slice_s: float,
    burdens: Sequence[Callable[[float], Awaitable[float]]],
    shares: Sequence[float] = (),
) -> None:
    """Give slices, one at a time, round by round, until every target has had `each_s`.

    A target of less than a whole share of that (`shares`: 1 each unless given) sits rounds
    out, so that its slices spread over all of the time.

    A burden is called with the slice's length and returns the time to charge, which is
    that length unless the target kept it waiting: so all get equally many slices, and a
    server that does not answer cannot hold up the others for each of them.
    """
    whole_s = [each_s * share for share in shares or [1.0] * len(burdens)]
    left_s = list(whole_s)
    enough_s = slice_s * 1e-6  # sums of floats: 20 slices of 0.1 s are 2 s
    for order in itertools.cycle(rounds):
        if max(left_s) <= enough_s:
            return
        most_left = max(left / whole for left, whole in zip(left_s, whole_s, strict=True))
        for index in order:
            due = left_s[index] / whole_s[index] >= most_left - 1e-6
            if due and left_s[index] > enough_s:
                left_s[index] -= await burdens[index](slice_s)


def real_slice_s(least_s: float, medians_ns: Sequence[int | None]) -> float:
    """Return the length of a slice that is long for the slowest target too."""
    slowest_ns = max((each for each in medians_ns if each is not None), default=0)
    return max(least_s, SLICE_PER_LATENCY * slowest_ns / 1e9)


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


@contextlib.contextmanager
def ticking(timeout_s: float, calls: Sequence[Callable[[], None]]) -> Iterator[None]:
    """Make `calls` every `TICK_S`, or often enough for a shorter timeout."""
    loop = asyncio.get_running_loop()
    every_s = min(TICK_S, timeout_s / 4)

    timer: asyncio.TimerHandle

    def tick() -> None:
        nonlocal timer
        timer = loop.call_later(every_s, tick)
        for call in calls:
            call()

    timer = loop.call_later(every_s, tick)
    try:
        yield
    finally:
        timer.cancel()


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
