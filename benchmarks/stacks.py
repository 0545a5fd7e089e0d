"""What the harness's app and adapters add to a request: CPU against a bare route.

    python -m benchmarks.stacks [--blocks 8] [--measure 2] [--only GLOB]

For each adapter's idiomatic lane the same endpoint is served twice by the same
Granian: by `harness.app`, and by a Starlette app of one route with the driver's
calls in line (`bare.py`). The harness's own generator loads them by turns in short slices
and reads the CPU clocks of their processes at the edges of each. Two launches of the same
server differ by some percent, so a pair of fresh servers is one block, and blocks are
what the interval is over. Printed: medians of CPU per request, and the mean ratio
harness / bare with its 95 % t interval, on the log scale.

Needs two cores; run it from the root of a checkout.
"""

import argparse
import asyncio
import contextlib
import fnmatch
import json
import math
import os
import random
import statistics
import sys
from collections.abc import AsyncIterator, Iterator, Sequence

from scipy import stats

from benchmarks.bare import POOL, VARIABLE
from harness.database.address import Address
from harness.database.dataset import dataset
from harness.database.embedded import cluster
from harness.idle import awake
from harness.load.http import request_bytes
from harness.load.job import Job, Target, TargetAnswer
from harness.load.job import Request as LoadRequest
from harness.load.process import carry_out
from harness.processes import Processes, pin, tree, watched
from harness.server import Server, fetch, granian, reserved, serve, served_environment

NAMES = ("asyncpg_pool", "psycopg_pool", "sqlalchemy_async", "sqlalchemy_sync")
PATHS = {"users_get": "/users/7", "books_list": "/books?limit=20"}
SLICE_S = 0.05
CONNECTIONS = 8
OPTIONS: dict[str, dict[str, object]] = {
    "sqlalchemy_async": {"max_overflow": 0},
    "sqlalchemy_sync": {"max_overflow": 0},
}
APP_CORE, LOAD_CORE = frozenset({0}), frozenset({1})


@contextlib.asynccontextmanager
async def bare_server(
    processes: Processes, name: str, endpoint: str, dsn: str, password: str | None
) -> AsyncIterator[Server]:
    """Serve the bare app with the harness's own Granian flags."""
    environment = served_environment(os.environ, "", password)
    environment[VARIABLE] = json.dumps([name, endpoint, dsn])
    with reserved(None) as port:
        argv = granian(port, 1, CONNECTIONS, "--factory", "benchmarks.bare:bare")
        async with processes.start(argv, env=environment) as process:
            server = Server("bare", "127.0.0.1", port, process.pid, ())
            await answered(server, PATHS[endpoint])
            pin(tree(process.pid), APP_CORE)  # once it is up, as `serve` does
            yield server


async def answered(server: Server, path: str) -> None:
    """Wait for the first answer of a server that is starting."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(OSError):
                await fetch(server, "GET", path)
                return
            await asyncio.sleep(0.02)


async def loaded(
    processes: Processes,
    servers: Sequence[Server],
    path: str,
    body: bytes,
    measure_s: float,
    *,
    slice_s: float = SLICE_S,
    connections: int = CONNECTIONS,
) -> tuple[TargetAnswer, ...]:
    """Load the servers by turns with the harness's generator, the order of each round random."""
    chance = random.Random(1)
    rounds = tuple(tuple(chance.sample(range(len(servers)), len(servers))) for _ in range(997))
    job = Job(
        timeout_s=10.0,
        slice_s=slice_s,
        warmup_s=0.5,
        measure_s=measure_s,
        targets=tuple(target(each, path, body, connections) for each in servers),
        rounds=rounds,
    )
    return (await carry_out(job, processes, cpus=LOAD_CORE)).targets


def target(server: Server, path: str, body: bytes, connections: int) -> Target:
    """Describe a server to the generator."""
    request = LoadRequest(request_bytes("GET", path, "127.0.0.1"), 200, body)
    pids = tuple(tree(server.pid))
    return Target(server.name, server.host, server.port, connections, (request,), pids)


def cpu_us(answer: TargetAnswer) -> float:
    """App CPU per request over all slices."""
    assert not answer.errors, answer.messages
    total_ns = sum(each.app_cpu_ns or 0 for each in answer.slices)
    return total_ns / sum(each.requests for each in answer.slices) / 1e3


def interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of log ratios and its 95 % t interval, as ratios again."""
    logs = [math.log(each) for each in ratios]
    mean = statistics.fmean(logs)
    half = stats.t.ppf(0.975, len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def cells(only: str) -> Iterator[tuple[str, str]]:
    """Yield the cells that `only` matches."""
    for name in NAMES:
        for endpoint in PATHS:
            if fnmatch.fnmatch(f"{name} {endpoint}", only):
                yield name, endpoint


async def main(arguments: argparse.Namespace) -> None:
    """Measure every cell and print its line."""
    settings = {"synchronous_commit": "off", "jit": "off"}
    with awake(wanted=True), watched() as processes:
        async with (
            cluster(processes, settings, LOAD_CORE) as (address, _),
            dataset(address, users=100, books=200),
        ):
            print(f"{'adapter':18}{'endpoint':12}{'harness us':>12}{'bare us':>10}   ratio")
            for cell in cells(arguments.only):
                blocks = [
                    await block(processes, address, *cell, arguments.measure)
                    for _ in range(arguments.blocks)
                ]
                report(*cell, blocks)


async def block(
    processes: Processes, address: Address, name: str, endpoint: str, measure_s: float
) -> tuple[float, float]:
    """Return CPU us per request of harness and bare, each a process of its own making.

    Chance says which starts first: harness first had 1.042, bare first 1.002 of the same cell.
    """
    path, dsn = PATHS[endpoint], address.dsn("benchmark")
    made = {
        "harness": serve(
            processes,
            name="harness",
            adapter=name,
            options=OPTIONS.get(name, {}) | {"pool_size": POOL},
            dsn=dsn,
            password=address.password,
            workers=1,
            connections=CONNECTIONS,
            cpus=APP_CORE,
        ),
        "bare": bare_server(processes, name, endpoint, dsn, address.password),
    }
    async with contextlib.AsyncExitStack() as kept:
        order = random.sample(list(made), len(made))
        up = {each: await kept.enter_async_context(made[each]) for each in order}
        ours, theirs = up["harness"], up["bare"]
        body = (await fetch(ours, "GET", path)).body
        assert (await fetch(theirs, "GET", path)).body == body, "different answers"
        first, second = await loaded(processes, (ours, theirs), path, body, measure_s)
    return cpu_us(first), cpu_us(second)


def report(name: str, endpoint: str, blocks: Sequence[tuple[float, float]]) -> None:
    """Print one line."""
    ours, theirs = (statistics.median(side) for side in zip(*blocks, strict=True))
    mean, low, high = interval([a / b for a, b in blocks])
    print(
        f"{name:18}{endpoint:12}{ours:12.1f}{theirs:10.1f}   {mean:.3f} [{low:.3f}, {high:.3f}]",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=sys.modules[__name__].__doc__)
    parser.add_argument("--blocks", type=int, default=8, help="pairs of fresh servers")
    parser.add_argument("--measure", type=float, default=2.0, help="seconds per server and block")
    parser.add_argument("--only", default="*", help="a glob on 'adapter endpoint'")
    asyncio.run(main(parser.parse_args()))
