"""What large results cost to read: `python -m benchmarks.large [CELLS [RUNS]]`.

Makes two results folders of CELLS cells (default 10,000) with 10 blocks each, of four stacks
on four endpoints over a grid of connections and pools, and runs `report`, `diff` and `--resume`
on them as users do, RUNS times (default 3) by turns. `--resume` is timed until it would measure
its first block, and interrupted there. No two blocks have the same latencies: what is kept once
for all that are alike would look smaller here than it is.

Each row is a command with the medians of its wall time and its CPU time, the most memory that
one of its processes held, and the most that they held together, where what they share counts
once (Linux only, seen four times a second; without the database of `--resume`). The last
line is how much of the machine the hypervisor gave to others meanwhile, and the load average.
"""

import asyncio
import contextlib
import math
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
import tomli_w
from numpy.typing import NDArray

from harness import affinity, environment, histogram, matrix, observation, plan
from harness.bench import prepared
from harness.columns import values
from harness.idle import awake
from harness.matrix import Matrix
from harness.model import (
    Connections,
    ConnectionsBlock,
    Cost,
    Key,
    Latency,
    Machine,
    Memory,
    MemoryBlock,
    Observation,
    Wire,
    Work,
)
from harness.observe.memory import pss_mib
from harness.parts import MIDDLE, PARTS
from harness.processes import watched
from harness.results import tables
from harness.results.resolved import to_toml

NAME = "grid"
INTERRUPTED = 130
BLOCKS = 10
LOOK_S = 0.25

ASKED = "10 s, 477 MiB"
"""Of each command, at 10,000 cells: 500 MB."""

RATES = {
    "sqlalchemy_sync": 1600.0,
    "sqlalchemy_async": 1400.0,
    "asyncpg_pool": 5200.0,
    "psycopg_pool": 3100.0,
}
ENDPOINTS = ("users_get", "users_list", "users_insert", "books_list")


@dataclass(frozen=True, slots=True)
class Took:
    """What one run of a command took; the memory is the most of one process, and of all."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    together_mib: float


def main() -> None:
    """Make the folders, run the commands, print what they took."""
    given = [int(each) for each in sys.argv[1:]]
    cells, runs = (*given, *(10_000, 3)[len(given) :])
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / f"{NAME}.toml"
        path.write_text(a_matrix(cells))
        before, after = (Path(temporary) / side / NAME for side in ("before", "after"))
        with ProcessPoolExecutor(2) as both:
            list(both.map(make, (before, after), (path, path), (0, 1)))
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # users do not compile at every start
        size = sum(each.stat().st_size for each in before.iterdir()) / 2**20
        print(f"{len(plan.cells(matrix.read(path))):,} cells x {BLOCKS} blocks, {size:.0f} MiB")
        commands: dict[str, Callable[[], Took]] = {
            "report": lambda: timed("report", str(before)),
            "diff": lambda: timed("diff", str(before), str(after)),
            "--resume": lambda: resumed(path, before.parent),
        }
        told(commands, runs)


def told(commands: dict[str, Callable[[], Took]], runs: int) -> None:
    """Run the commands by turns; print a table of what they took."""
    began = psutil.cpu_times()
    took: dict[str, list[Took]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, run in commands.items():
            took[name].append(run())
    print("| command | asked | wall, s | CPU, s | peak, MiB | together, MiB |")
    print("|---|---|---|---|---|---|")
    for name, each in took.items():
        wall_s, cpu_s = [run.wall_s for run in each], [run.cpu_s for run in each]
        peak_mib = _most([run.peak_mib for run in each])
        together_mib = _most([run.together_mib for run in each])
        print(
            f"| {name} | {ASKED} | {_median(wall_s)} | {_median(cpu_s)} "
            f"| {peak_mib:.0f} | {together_mib:.0f} |"
        )
    spent = [after - before for before, after in zip(began, psutil.cpu_times(), strict=True)]
    stolen = dict(zip(began._fields, spent, strict=True)).get("steal", 0.0)
    print(
        f"stolen by the hypervisor: {100 * stolen / sum(spent):.1f} %, "
        f"load average: {os.getloadavg()[0]:.1f}"
    )


def _most(values: Sequence[float]) -> float:
    return max(values, default=math.nan)


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def a_matrix(cells: int) -> str:
    """Return the TOML of a matrix of about so many cells."""
    side = max(1, round((cells / len(RATES) / len(ENDPOINTS)) ** 0.5))
    axis = list(range(1, side + 1))
    return tomli_w.dumps(
        {
            "run": {"ceilings": False},
            "stack": [{"name": name, "adapter": name} for name in RATES],
            "group": [
                {"name": NAME, "endpoint": ENDPOINTS, "concurrency": axis, "pool_size": axis}
            ],
        }
    )


def make(folder: Path, path: Path, seed: int) -> None:
    """Write the results of a run whose ratios scatter by 2 % from block to block."""
    measured = matrix.read(path)
    source = np.random.default_rng(seed)
    latencies = {
        (name, connections): _expected(source, connections / rate, int(2 * rate))
        for name, rate in RATES.items()
        for connections in measured.groups[0].concurrency
    }
    waits = _expected(source, 0.0005, 3000)
    folder.mkdir(parents=True)
    with (folder / "blocks.csv").open("w", newline="") as file:
        file.write(tables.table(Observation, []))
        for block in range(1, BLOCKS + 1):
            for key, luck, machine in scattered(measured, source):
                each = (latencies[key.stack, key.concurrency], waits)
                texts = [histogram.encode(source.poisson(expected)) for expected in each]
                row = an_observation(key, block, luck, machine, a_course(source), *texts)
                file.write(tables.lines([values(row)]))
    (folder / "matrix.toml").write_text(to_toml(measured))
    (folder / "env.json").write_text(asyncio.run(around(measured, path, folder)))


def _expected(source: np.random.Generator, mean_s: float, requests: int) -> NDArray[np.float64]:
    """Return how many latencies to expect in each bin: those of ten blocks, a tenth of them."""
    latencies_ns = 1e9 * mean_s * source.lognormal(0, 0.25, 10 * requests)
    return histogram.counts(latencies_ns.astype(np.int64)) / 10


def scattered(
    measured: Matrix, source: np.random.Generator
) -> Iterator[tuple[Key, float, Machine]]:
    """Yield every cell, how lucky its stack was in this block, and the machine of its setting."""
    for setting in plan.settings(measured):
        luck = np.exp(source.normal(0, 0.015, len(RATES)))
        machine = Machine(*(round(float(each), 3) for each in source.uniform(0, 1, 7)))
        for key, each in zip(plan.cells_in(measured, setting), luck.tolist(), strict=True):
            yield key, each, machine


def a_course(source: np.random.Generator) -> str:
    """Return a block that went on as it began, but for a scatter of 3 % from part to part."""
    digits = source.normal(MIDDLE, 3, 2 * PARTS).astype(int).tolist()
    return "".join(histogram.DIGITS[each] for each in digits)


def an_observation(
    key: Key, block: int, luck: float, machine: Machine, course: str, latencies: str, waits: str
) -> Observation:
    """Return a block in which the stack was `luck` times as fast as it is."""
    rps = RATES[key.stack] * luck
    mean_ms = 1000 * key.concurrency / rps
    rss_mib = 70 * luck
    return replace(
        observation.unmeasured(key, block, "interleaved", "ok", ""),
        slices=20,
        slice_ms=100.0,
        window_s=2.0 * luck,
        requests=int(2 * rps),
        rps=rps,
        mean_ms=mean_ms,
        latency=Latency(*(mean_ms * each for each in (0.9, 1.2, 1.4, 1.9, 4.0))),
        cost=Cost(
            1e6 / rps, 120 * luck, 33 * luck, rss_mib - 2, rss_mib, rss_mib + 1, 40.0, 20.0, 10
        ),
        littles_law=0.99 * luck,
        drift=luck,
        generator_busy=0.3 * luck,
        lag_p99_ms=0.6 * luck,
        flags="steal" if luck < 0.98 else "",
        latencies=latencies,
        machine=machine,
        work=Work(luck, luck, 100 * luck, 100.0, None),
        generators=1,
        wire=Wire(2.0),
        connections=ConnectionsBlock(
            Connections(4, 10, 1, "SELECT", 0.4 * luck, 2 * luck), '{"SELECT":480}', waits
        ),
        memory=MemoryBlock(Memory(rss_per_worker=f"{rss_mib:.1f}")),
        parts=course,
    )


async def around(measured: Matrix, path: Path, folder: Path) -> str:
    """Return the `env.json` that a run makes here: what is resumed must have been made here."""
    places = affinity.places_of(measured)
    with awake(measured.run.awake) as idle, watched() as processes:
        async with prepared(measured, processes, places, lambda _: None) as bench:
            return environment.to_json(
                environment.describe(
                    database=bench.facts,
                    embedded=True,
                    places=places,
                    idle=idle,
                    seed=measured.run.seed,
                    matrix_toml=to_toml(measured),
                    matrix=path,
                    results=folder,
                )
            )


def timed(*arguments: str) -> Took:
    """Run a command of the harness to its end."""
    began = time.monotonic()
    process = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL)
    with held(process.pid) as seen:
        usage = ended(process)
    wall_s = time.monotonic() - began
    return Took(wall_s, usage.ru_utime + usage.ru_stime, peak_mib(usage), _most(seen))


def resumed(path: Path, results: Path) -> Took:
    """Resume a run until it would measure, and interrupt it; the peak is that of its end, too.

    Interrupted, it sums up and draws all that is there, which takes more.
    """
    began = time.monotonic()
    arguments = (str(path), "--resume", "--results", str(results), "--no-progress")
    process = subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with held(process.pid) as seen:
        for line in process.stderr:
            if line.startswith("block "):
                break
        wall_s, cpu = time.monotonic() - began, psutil.Process(process.pid).cpu_times()
        process.send_signal(signal.SIGINT)
        process.stderr.read()
        usage = ended(process)
    return Took(wall_s, cpu.user + cpu.system, peak_mib(usage), _most(seen))


@contextlib.contextmanager
def held(pid: int) -> Iterator[list[float]]:
    """Yield a list that grows by what `pid` and its copies hold together now and then, in MiB."""
    seen: list[float] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_S):
            with contextlib.suppress(psutil.Error):
                first = psutil.Process(pid)
                copies = [each.pid for each in first.children() if each.name() == first.name()]
                mib = pss_mib([pid, *copies])
                seen.extend([] if mib is None else [mib])

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()


def command(*arguments: str) -> list[str]:
    """Return the command line of a command of the harness."""
    return [sys.executable, "-m", "harness", *arguments]


def ended(process: "subprocess.Popen[str] | subprocess.Popen[bytes]") -> resource.struct_rusage:
    """Wait for `process`, which must not fail; return what it used."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, INTERRUPTED):
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return usage


def peak_mib(usage: resource.struct_rusage) -> float:
    """Return the most memory that was resident."""
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, KiB here


if __name__ == "__main__":
    main()
