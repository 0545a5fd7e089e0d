"""pgbench in slices, as a ceiling is measured, against what pgbench says of itself.

    python -m benchmarks.pgbench [--pairs 12]

The same tool, script, connections and database, in turn: stopped and continued in slices of
100 ms by the harness's generator, which reads its log, and for 3 s in one piece, by its own
report. Printed are medians over pairs of the ratio sliced / whole with their 95 % interval.
Needs two cores; run it from the root of a checkout.
"""

import argparse
import asyncio
import os
import random
import re
import statistics
import subprocess
from pathlib import Path

from scipy import stats

from harness.database import pgbench
from harness.database.address import Address
from harness.database.dataset import dataset
from harness.database.embedded import cluster
from harness.load.job import Job, PgbenchTarget
from harness.load.process import carry_out
from harness.model import Endpoint, Setting
from harness.processes import Processes, watched

CONNECTIONS = 10
USERS, BOOKS = 100, 200
MEASURE_S = 3.0
SLICE_S = 0.1
WARMUP_S = 0.5
SETTINGS = {"synchronous_commit": "off", "jit": "off"}
DATABASE_CORE = frozenset({1})
LIMITS: dict[Endpoint, int | None] = {"users_get": None, "users_list": 100, "books_list": 20}

Pair = tuple[tuple[float, float], tuple[float, float]]
"""(req/s, mean ms) sliced, and of the whole."""


async def main(pairs: int) -> None:
    """Measure each endpoint and print its line."""
    with watched() as processes:
        async with (
            cluster(processes, SETTINGS, DATABASE_CORE) as (address, postmaster),
            dataset(address, users=USERS, books=BOOKS),
        ):
            print(f"{pairs} pairs, {CONNECTIONS} connections; medians [95 % interval]")
            print(f"{'endpoint':12} {'sliced/s':>9} {'whole/s':>9} {'rate':>22} {'latency':>22}")
            for endpoint, limit in LIMITS.items():
                setting = Setting("g", endpoint, limit, 16, None, CONNECTIONS, 1, 0.0)
                print(
                    _row(
                        endpoint,
                        [
                            await _pair(processes, address, setting, postmaster)
                            for _ in range(pairs)
                        ],
                    ),
                    flush=True,
                )


async def _pair(processes: Processes, address: Address, setting: Setting, postmaster: int) -> Pair:
    found = {}
    for which in random.sample(("sliced", "whole"), 2):
        with processes.directory("pg-stack-harness-pgbench-") as made:
            folder = Path(made)
            (folder / pgbench.SCRIPT).write_text(pgbench.script(setting, users=USERS))
            tool = pgbench.executable(embedded=True)
            assert tool is not None
            argv = pgbench.command(
                tool,
                setting,
                books=BOOKS,
                dsn=address.dsn("benchmark"),
                clients=CONNECTIONS,
                folder=folder,
            )
            environment = pgbench.environment(os.environ, address.password)
            if which == "sliced":
                target = PgbenchTarget("pgbench", argv, CONNECTIONS, str(folder), 1.0)
                found[which] = await _sliced(processes, target, environment, postmaster)
            else:
                found[which] = await asyncio.to_thread(_whole, argv, environment)
    return found["sliced"], found["whole"]


async def _sliced(
    processes: Processes, target: PgbenchTarget, environment: dict[str, str], postmaster: int
) -> tuple[float, float]:
    job = Job(10.0, SLICE_S, WARMUP_S, MEASURE_S, (), ((0,),), postmaster, pgbench=target)
    answer = await carry_out(job, processes, cpus=DATABASE_CORE, env=environment)
    (one,) = answer.targets
    assert not one.errors, one.messages
    latencies_ns = memoryview(one.latencies_ns).cast("q")
    window_s = sum(each.window_ns for each in one.slices) / 1e9
    return len(latencies_ns) / window_s, statistics.fmean(latencies_ns) / 1e6


def _whole(argv: tuple[str, ...], environment: dict[str, str]) -> tuple[float, float]:
    """Run the same command for a while of its own, without its log."""
    kept = [each for each in argv if not each.startswith(("--log", "--time"))]
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, DATABASE_CORE)  # of this thread, and so of the child's
    try:
        done = subprocess.run(
            [kept[0], f"--time={round(MEASURE_S)}", *kept[1:]],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        os.sched_setaffinity(0, before)
    rate = re.search(r"tps = ([\d.]+) \(without initial", done.stdout)
    latency = re.search(r"latency average = ([\d.]+) ms", done.stdout)
    assert rate is not None
    assert latency is not None
    return float(rate[1]), float(latency[1])


def _row(endpoint: str, pairs: list[Pair]) -> str:
    sliced = statistics.median(one[0] for one, _ in pairs)
    whole = statistics.median(other[0] for _, other in pairs)
    rates = [one[0] / other[0] for one, other in pairs]
    latencies = [one[1] / other[1] for one, other in pairs]
    return f"{endpoint:12} {sliced:9.0f} {whole:9.0f} {_interval(rates)} {_interval(latencies)}"


def _interval(ratios: list[float]) -> str:
    found = stats.quantile_test(ratios, p=0.5).confidence_interval(0.95)
    return f"{statistics.median(ratios):6.3f} [{found.low:.3f}, {found.high:.3f}]"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=12)
    asyncio.run(main(parser.parse_args().pairs))
