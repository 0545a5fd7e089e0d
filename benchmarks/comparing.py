"""How long `report` and `diff` take over large results: `python -m benchmarks.comparing [CELLS]`.

Makes two results folders of CELLS cells (default 10,000) with 10 blocks each, of four
stacks over a grid of connections and pools, and runs both commands as users do. Each line
is a command, its wall time and CPU time, and the most memory its process held.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness import histogram, matrix, observation, plan
from harness.columns import values
from harness.environment import to_json
from harness.matrix import Matrix
from harness.model import Cost, Key, Latency, Observation
from harness.results import tables
from harness.results.resolved import to_toml

BLOCKS = 10
STACKS = ("sqlalchemy_sync", "sqlalchemy_async", "asyncpg_pool", "psycopg_pool")
ENDPOINTS = ("users_get", "users_list", "users_insert", "books_list")
RATES = {"sqlalchemy_sync": 1600.0, "sqlalchemy_async": 1400.0, "asyncpg_pool": 5200.0}


def main() -> None:
    """Make the folders, run the commands, print what they took."""
    cells = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as temporary:
        folders = [Path(temporary) / name for name in ("before", "after")]
        for seed, folder in enumerate(folders):
            make(folder, a_matrix(cells), seed)
        size = sum(path.stat().st_size for path in folders[0].iterdir()) / 2**20
        print(f"{cells:,} cells x {BLOCKS} blocks, {size:.0f} MiB a folder")
        timed("diff", *map(str, folders))
        timed("report", str(folders[0]))


def a_matrix(cells: int) -> Matrix:
    """Return a matrix of about so many cells."""
    side = max(1, round((cells / len(STACKS) / len(ENDPOINTS)) ** 0.5))
    axis = list(range(1, side + 1))
    group = {"name": "grid", "endpoint": list(ENDPOINTS), "concurrency": axis, "pool_size": axis}
    stacks = [{"name": name, "adapter": name} for name in STACKS]
    return matrix.parse({"stack": stacks, "group": [group]}, "grid")


def make(folder: Path, measured: Matrix, seed: int) -> None:
    """Write the results of a run whose ratios scatter by 1.5 % from block to block."""
    source = np.random.default_rng(seed)
    folder.mkdir()
    with (folder / "blocks.csv").open("w", newline="") as file:
        file.write(tables.table(Observation, []))
        for block in range(1, BLOCKS + 1):
            rows = (values(row) for row in observations(measured, block, source))
            file.write(tables.lines(rows))
    (folder / "matrix.toml").write_text(to_toml(measured))
    (folder / "env.json").write_text(to_json(ENVIRONMENT))


def observations(
    measured: Matrix, block: int, source: np.random.Generator
) -> Iterator[Observation]:
    """Yield one block of every cell."""
    latencies = histogram.encode(
        histogram.counts((source.lognormal(15.8, 0.7, 10_000)).astype(np.int64))
    )
    for key in plan.cells(measured):
        luck = float(np.exp(source.normal(0, 0.015)))
        yield an_observation(key, block, luck, latencies)


def an_observation(key: Key, block: int, luck: float, latencies: str) -> Observation:
    """Return a block in which the stack was `luck` times as fast as it is."""
    rps = RATES.get(key.adapter, 3100.0) * luck
    return replace(
        observation.unmeasured(key, block, "interleaved", "ok", ""),
        slices=20,
        slice_ms=100.0,
        window_s=2.0,
        requests=int(2 * rps),
        rps=rps,
        mean_ms=1000 * key.concurrency / rps,
        latency=Latency(7.1, 9.3, 10.4, 14.2, 31.0),
        cost=Cost(1e6 / rps, 120.3, 33.1, 68.2 * luck, 69.9 * luck, 70.1 * luck, 39.7, 21.2, 10),
        littles_law=0.998,
        drift=1.0,
        generator_busy=0.31,
        lag_p99_ms=0.61,
        latencies=latencies,
    )


ENVIRONMENT: dict[str, Any] = {
    "affinity": {"app": [0], "database": [1], "load": [1]},
    "cpu": {"count": 2, "model": "made up"},
    "database": {"embedded": True, "settings": {}, "version": "18.0"},
    "machine": {"arch": "x86_64", "kernel": "6", "memory_gib": 8, "system": "Linux"},
    "packages": {},
    "python": "3",
}


def timed(*arguments: str) -> None:
    """Run a command of the harness; print its wall time, CPU time and peak memory."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *arguments], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.monotonic() - began
    per_mib = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
    print(
        f"{arguments[0]:8} {wall_s:6.1f} s wall, {usage.ru_utime + usage.ru_stime:6.1f} s CPU, "
        f"{usage.ru_maxrss / per_mib:5.0f} MiB, exit code {process.returncode}"
    )


if __name__ == "__main__":
    main()
