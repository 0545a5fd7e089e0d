"""How true a distance is: asked against measured, idle and under load, and what it lets through.

    python -m benchmarks.distance

One connection asks a Postgres for answers of several sizes, directly and by way of a relay, and
the difference of the medians is what the relay adds: by itself, and while pgbench does 2,000
round trips a second over 16 other connections. Then 200 MB are read, both ways. Relay and
database share the load's CPUs, as in a run; who asks is on the app's. Run it from the root of a
checkout.
"""

import asyncio
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg

from harness import affinity
from harness.database import pgbench
from harness.database.address import Address
from harness.database.embedded import cluster
from harness.distance.far import at_distance
from harness.matrix import Run
from harness.processes import Processes, watched

ASKED_MS = (0.5, 1.0, 5.0, 20.0)
SIZES = (1, 10_000, 100_000)
TIMES = 51
CLIENTS, ROUND_TRIPS_S = 16, 2000
ROWS, ROW_BYTES = 200_000, 1000
HEADINGS = (
    "asked, ms",
    *(f"{size:,} B" for size in SIZES),
    *(f"{size:,} B, load" for size in SIZES),
    "as told",
    "as told, load",
    "MB/s",
    "MB/s direct",
)


async def main() -> None:
    """Print a line a distance."""
    places = affinity.places(Run(), affinity.usable())
    with watched() as processes:
        processes.keep_to(places.app)
        async with cluster(processes, {}, places.database) as (address, _):
            print("| " + " | ".join(HEADINGS) + " |")
            print("|" + "---|" * len(HEADINGS))
            for asked_ms in ASKED_MS:
                async with at_distance(address, asked_ms, processes, places.load) as place:
                    idle_ms = [added_ms(address, place.address, size) for size in SIZES]
                    await place.load_begins()
                    async with loaded(processes, place.address):
                        busy_ms = [added_ms(address, place.address, size) for size in SIZES]
                    await place.load_ended()
                    told = await place.distance()
                    rates = [copied_mb_s(place.address), copied_mb_s(address)]
                told_ms = [told.rtt_measured_ms or 0.0, told.rtt_loaded_ms or 0.0]
                times = [f"{each:.3g}" for each in (asked_ms, *idle_ms, *busy_ms, *told_ms)]
                print(f"| {' | '.join(times)} | {rates[0]:.0f} | {rates[1]:.0f} |", flush=True)


def connected(address: Address) -> psycopg.Connection[tuple[object, ...]]:
    """Return a connection that commits each statement."""
    return psycopg.connect(address.dsn("benchmark"), password=address.password, autocommit=True)


def added_ms(near: Address, far: Address, size: int) -> float:
    """Return what the median of an answer of `size` bytes takes longer from `far`."""
    query = b"SELECT repeat('x', %d)" % size
    took_ns: tuple[list[int], list[int]] = [], []
    with connected(near) as one, connected(far) as other:
        for _ in range(TIMES):
            for connection, took in zip((one, other), took_ns, strict=True):
                began_ns = time.monotonic_ns()
                connection.pgconn.exec_(query)
                took.append(time.monotonic_ns() - began_ns)
    return (statistics.median(took_ns[1]) - statistics.median(took_ns[0])) / 1e6


def copied_mb_s(address: Address) -> float:
    """Return how fast a large result is read."""
    rows = f"SELECT repeat('x', {ROW_BYTES}) FROM generate_series(1, {ROWS})"
    with connected(address) as connection, connection.cursor() as cursor:
        began = time.monotonic()
        with cursor.copy(f"COPY ({rows}) TO STDOUT") as copy:
            read = sum(len(each) for each in copy)
        return read / 1e6 / (time.monotonic() - began)


@contextlib.asynccontextmanager
async def loaded(processes: Processes, address: Address) -> AsyncIterator[None]:
    """Have pgbench ask `address` meanwhile."""
    tool = pgbench.executable(embedded=True)
    assert tool is not None
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.sql"
        script.write_text("SELECT 1;\n")
        options = ["-n", "-c", CLIENTS, "-R", ROUND_TRIPS_S, "-T", 3600, "-f", script]
        argv = [tool, *map(str, options), address.dsn("benchmark-load")]
        environment = pgbench.environment(os.environ, address.password)
        async with processes.start(argv, env=environment):
            await until_it_asks(address)
            yield


async def until_it_asks(address: Address) -> None:
    """Wait until pgbench has all its connections."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'benchmark-load'"
    deadline = time.monotonic() + 30
    with connected(address) as connection:
        while connection.execute(query).fetchone() != (CLIENTS,):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(main())
