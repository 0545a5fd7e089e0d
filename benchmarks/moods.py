"""What moves the ratio of two stacks between two moments: their launch or the machine.

    python -m benchmarks.moods [--launches 6] [--windows 6] [--measure 2] [--slice 25]

asyncpg under two names and both SQLAlchemy adapters serve `users_get` and stay up, while the
harness's own generator loads them by turns in short slices, one window of load after another.
Then they are started afresh. Printed: app CPU per request of each window, and of each
stack's ratio to asyncpg the scatter between windows of the same servers, that between
launches (of several), how much the means of 1, 2, 4 ... windows differ from those that follow
(their Allan deviation, beside what chance would leave of the first), and how alike the two
SQLAlchemy adapters move.

Needs two cores; run it from the root of a checkout.
"""

import argparse
import asyncio
import contextlib
import math
import random
import statistics
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise

from benchmarks.stacks import APP_CORE, LOAD_CORE, OPTIONS, PATHS, cpu_us, loaded
from harness.database.address import Address
from harness.database.dataset import dataset
from harness.database.embedded import cluster
from harness.idle import awake
from harness.processes import Processes, watched
from harness.server import Server, fetch, serve

ADAPTERS = {
    "asyncpg": "asyncpg_pool",
    "asyncpg-again": "asyncpg_pool",
    "sqlalchemy-sync": "sqlalchemy_sync",
    "sqlalchemy-async": "sqlalchemy_async",
}
BASELINE, *OTHERS = ADAPTERS
PATH = PATHS["users_get"]
CONNECTIONS = 1
"""So that a slice holds 20 answers of the slowest stack and is still short."""

SIZES = (1, 2, 4, 8, 16, 32)

Window = Mapping[str, float]
"""App CPU per request, us, by stack."""


async def main(arguments: argparse.Namespace) -> None:
    """Measure every window and print its line, then what they say."""
    settings = {"synchronous_commit": "off", "jit": "off"}
    with awake(wanted=True), watched() as processes:
        async with (
            cluster(processes, settings, LOAD_CORE) as (address, _),
            dataset(address, users=100, books=200),
        ):
            print("launch" + "".join(f"{name:>18}" for name in ADAPTERS))
            launches = [
                await launch(processes, address, number, arguments)
                for number in range(1, arguments.launches + 1)
            ]
    report(launches)


async def launch(
    processes: Processes, address: Address, number: int, arguments: argparse.Namespace
) -> list[Window]:
    """Return the windows of one set of servers, started in random order."""
    async with contextlib.AsyncExitStack() as kept:
        up: dict[str, Server] = {}
        for name in random.sample(list(ADAPTERS), len(ADAPTERS)):
            adapter = ADAPTERS[name]
            up[name] = await kept.enter_async_context(
                serve(
                    processes,
                    name=name,
                    adapter=adapter,
                    options=OPTIONS.get(adapter, {}) | {"pool_size": CONNECTIONS},
                    dsn=address.dsn("benchmark"),
                    password=address.password,
                    workers=1,
                    connections=CONNECTIONS,
                    cpus=APP_CORE,
                )
            )
        servers = [up[name] for name in ADAPTERS]
        return [
            await window(processes, servers, number, arguments) for _ in range(arguments.windows)
        ]


async def window(
    processes: Processes, servers: Sequence[Server], number: int, arguments: argparse.Namespace
) -> Window:
    """Load all servers by turns once, print and return what a request cost."""
    body = (await fetch(servers[0], "GET", PATH)).body
    answers = await loaded(
        processes,
        servers,
        PATH,
        body,
        arguments.measure,
        slice_s=arguments.slice / 1e3,
        connections=CONNECTIONS,
    )
    found = dict(zip(ADAPTERS, map(cpu_us, answers), strict=True))
    print(f"{number:6}" + "".join(f"{found[name]:18.1f}" for name in ADAPTERS), flush=True)
    return found


def between(by_launch: Sequence[Sequence[float]], within: float) -> str:
    """Return how launches scatter, beside what means of so many windows would if all were alike."""
    if len(by_launch) < 2:
        return ""
    means = [statistics.fmean(windows) for windows in by_launch]
    chance = within / math.sqrt(len(by_launch[0]))
    return f", {statistics.stdev(means):.1%} between launches ({chance:.1%} if they were alike)"


def allan(by_launch: Sequence[Sequence[float]], size: int) -> float:
    """Return the Allan deviation (1966) of means of `size` windows, within launches."""
    steps = [
        after - before
        for windows in by_launch
        for before, after in pairwise(
            statistics.fmean(windows[start : start + size])
            for start in range(0, len(windows) - size + 1, size)
        )
    ]
    return math.sqrt(statistics.fmean(step**2 for step in steps) / 2)


def report(launches: Sequence[Sequence[Window]]) -> None:
    """Print how ratios to the baseline scatter."""
    print("app CPU per request against asyncpg's; scatter is the standard deviation of its log")
    logs = {
        name: [[math.log(each[name] / each[BASELINE]) for each in windows] for windows in launches]
        for name in OTHERS
    }
    for name, by_launch in logs.items():
        every = [math.exp(each) for windows in by_launch for each in windows]
        within = math.sqrt(statistics.fmean(map(statistics.variance, by_launch)))
        print(
            f"{name:18} {min(every):.2f} to {max(every):.2f}, scatter {within:.1%} between windows"
            f" of a launch{between(by_launch, within)}"
        )
        first = allan(by_launch, 1)
        sizes = [size for size in SIZES if len(by_launch[0]) >= 4 * size]
        told = ", ".join(f"{allan(by_launch, size):.1%}" for size in sizes)
        chance = ", ".join(f"{first / math.sqrt(size):.1%}" for size in sizes)
        windows = ", ".join(map(str, sizes))
        print(f"{'':18} means of {windows} windows differ by {told}, by chance {chance}")
    both = ([each for windows in logs[name] for each in windows] for name in OTHERS[1:])
    print(f"the two SQLAlchemy adapters move together: r = {statistics.correlation(*both):.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=sys.modules[__name__].__doc__)
    parser.add_argument("--launches", type=int, default=6, help="sets of fresh servers")
    parser.add_argument("--windows", type=int, default=6, help="of load, of each set")
    parser.add_argument("--measure", type=float, default=2.0, help="seconds per server and window")
    parser.add_argument("--slice", type=float, default=25.0, help="milliseconds")
    asyncio.run(main(parser.parse_args()))
