"""How often the harness's verdicts are wrong, and how often they miss: A/A and a real slowdown.

    python -m benchmarks.validation [--blocks 80] [--turns N] [--keep FOLDER] [--from FOLDER]

One asyncpg stack under two names, and a third whose requests are slowed on purpose
(`slowed.py`), are measured by the harness itself: `python -m harness`, its own blocks, its
own verdicts. A first short run finds the slowdown that makes 5 %, unless it is given (`--turns`).
It is near 5 % then, not at it: of the slowed stack the blocks' scatter is used as it was
measured, and their mean is moved to exactly 5 %. Every 8 blocks of the long run are judged as
if they were all there is, each pair as a matrix of these two would be (no correction for the
third): a verdict other than `tie` or `unclear` between the two names is false, any but
`slower` of the slowed one a miss.

Two rates are printed. Of the groups of 8 blocks that follow each other and share none: few,
but independent; Clopper-Pearson interval. And of 1,000 random choices of 8 blocks, whose
interval is a bootstrap over blocks. Needs two cores; run it from the root of a checkout.
"""

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import tomli_w
from numpy.typing import NDArray
from scipy import stats as scipy_stats

from harness import stats
from harness.model import Comparison, Key, Observation
from harness.results import store

GROUP = 8
CHOICES = 1_000
RESAMPLES = 200
CHOICES_PER_RESAMPLE = 100
BASELINE = "asyncpg"
SLOWED = 0.95
"""Of the slowed stack's req/s; on a core that is never idle, 1 / 0.95 of its CPU per request."""

FIRST_GUESS = 500
CALIBRATING_BLOCKS = 8
CONNECTIONS = 4
"""20 median latencies of all stacks fit in a slice of 50 ms, so the names of
one adapter meet the machine within a tenth of a second of each other."""

Judged = Mapping[str, Comparison]


def misses_one(pair: Comparison) -> bool:
    """Whether 1 lies outside the pair's interval."""
    assert pair.lo is not None
    assert pair.hi is not None
    return not pair.lo <= 1 <= pair.hi


def is_a_difference(pair: Comparison) -> bool:
    """Whether the verdict says that the two differ."""
    return pair.verdict in ("faster", "slower")


QUESTIONS: Mapping[str, Callable[[Judged], bool]] = {
    "rps: false verdict in A/A": lambda found: is_a_difference(found["asyncpg-again rps"]),
    "rps: A/A interval without 1": lambda found: misses_one(found["asyncpg-again rps"]),
    "rps: slowdown found": lambda found: found["slowed rps"].verdict == "slower",
    "app_cpu_us: false verdict in A/A": lambda found: is_a_difference(
        found["asyncpg-again app_cpu_us"]
    ),
    "app_cpu_us: A/A interval without 1": lambda found: misses_one(
        found["asyncpg-again app_cpu_us"]
    ),
    "app_cpu_us: slowdown found": lambda found: found["slowed app_cpu_us"].verdict == "slower",
}


def main() -> None:
    """Measure unless told where that was done, and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--blocks", type=int, default=80)
    asked.add_argument("--turns", type=int, help="of the loop that slows: no calibration")
    asked.add_argument("--keep", type=Path, help="where the results go")
    asked.add_argument("--from", dest="done", type=Path, help="results of such a run")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        results = given.keep or Path(scratch)
        if given.done is not None:
            folder = given.done
        else:
            folder = run(results, "validation", given.blocks, given.turns or calibrated(results))
        report(store.read(folder))


def calibrated(results: Path) -> int:
    """Return the turns that make a request 5 % slower, from a run with a guess at them."""
    first = run(results, "calibration", CALIBRATING_BLOCKS, FIRST_GUESS)
    found = judged(rows_by_block(store.read(first)))["slowed app_cpu_us"].ratio
    assert found is not None
    turns = max(1, round(FIRST_GUESS * (1 / SLOWED - 1) / (found - 1)))
    print(f"{FIRST_GUESS} turns cost {found - 1:.1%} of app CPU: {turns} turns for 5 % less req/s")
    return turns


def run(results: Path, name: str, blocks: int, turns: int) -> Path:
    """Run the harness on the three stacks; the folder of its results."""
    path = results / f"{name}.toml"
    results.mkdir(parents=True, exist_ok=True)
    path.write_text(tomli_w.dumps(document(blocks, turns)))
    subprocess.run(
        [sys.executable, "-m", "harness", str(path), "--no-progress", "--results", str(results)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return results / name


def document(blocks: int, turns: int) -> dict[str, object]:
    """Return the matrix of the three stacks."""
    slowed = {"name": "slowed", "adapter": "benchmarks.slowed", "options": {"turns": turns}}
    return {
        "run": {
            "budget": "2h",
            "precision": 0.0001,
            "min_blocks": 3,
            "max_blocks": blocks,
            "warmup": "500ms",
            "measure": "6s",
            "slice": "50ms",
            "ceilings": False,
            "baseline": BASELINE,
        },
        "database": {"settings": {"max_connections": 300, "synchronous_commit": "off"}},
        "stack": [
            {"name": "asyncpg", "adapter": "asyncpg_pool"},
            {"name": "asyncpg-again", "adapter": "asyncpg_pool"},
            slowed,
        ],
        "group": [
            {
                "name": "users",
                "endpoint": ["users_get"],
                "concurrency": [CONNECTIONS],
                "pool_size": [CONNECTIONS],
            }
        ],
    }


def report(observations: Sequence[Observation]) -> None:
    """Print what the blocks say of the harness."""
    blocks = rows_by_block(observations)
    everything = judged(blocks)
    print(f"{len(blocks)} blocks; all of them together, 95 % intervals:")
    for name, pair in sorted(everything.items()):
        assert pair.lo is not None
        assert pair.hi is not None
        half = (pair.hi / pair.lo) ** 0.5 - 1
        print(f"  {name:24} {pair.ratio:.4f} [{pair.lo:.4f}, {pair.hi:.4f}] +-{half:.2%}")
    blocks = [[moved(row, everything) for row in rows] for rows in blocks]
    groups = [blocks[i : i + GROUP] for i in range(0, len(blocks) - GROUP + 1, GROUP)]
    in_groups = [answers(each) for each in groups]
    shares = rates(blocks, CHOICES, random.Random(1))
    lows, highs = bootstrap(blocks)
    print(f"judged from {GROUP} blocks, the slowdown moved to {1 - SLOWED:.0%}:")
    for question, hits in zip(QUESTIONS, np.sum(in_groups, axis=0), strict=True):
        exact = scipy_stats.binomtest(int(hits), len(groups)).proportion_ci(0.95)
        at = list(QUESTIONS).index(question)
        print(
            f"  {question:34} {hits} of {len(groups)} groups [{exact.low:.1%}, {exact.high:.1%}]; "
            f"{shares[at]:.1%} of {CHOICES} choices [{lows[at]:.1%}, {highs[at]:.1%}]"
        )


def moved(row: Observation, measured: Judged) -> Observation:
    """Return `row`, a slowed stack's times what makes it 5 % slower on average."""
    if row.key.stack != "slowed":
        return row
    rps, cpu = measured["slowed rps"].ratio, measured["slowed app_cpu_us"].ratio
    assert rps is not None
    assert cpu is not None
    assert row.rps is not None
    assert row.cost.app_cpu_us is not None
    cost = replace(row.cost, app_cpu_us=row.cost.app_cpu_us / SLOWED / cpu)
    return replace(row, rps=row.rps * SLOWED / rps, cost=cost)


def rates(
    blocks: Sequence[list[Observation]], choices: int, source: random.Random
) -> NDArray[np.float64]:
    """Return, for each question, the share of random choices of 8 blocks that say yes."""
    said = [answers(source.sample(blocks, GROUP)) for _ in range(choices)]
    shares: NDArray[np.float64] = np.mean(said, axis=0, dtype=np.float64)
    return shares


def bootstrap(
    blocks: Sequence[list[Observation]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 95 % intervals of `rates` over blocks drawn again with replacement."""
    source = random.Random(2)
    drawn = [
        rates(source.choices(blocks, k=len(blocks)), CHOICES_PER_RESAMPLE, source)
        for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return low, high


def answers(blocks: Sequence[list[Observation]]) -> list[bool]:
    """Return the answer of `blocks` to each question."""
    found = judged(blocks)
    return [ask(found) for ask in QUESTIONS.values()]


def rows_by_block(observations: Sequence[Observation]) -> list[list[Observation]]:
    """Return the rows of each block in which every stack has a number."""
    numbers = sorted({row.block for row in observations})
    rows = [[row for row in observations if row.block == number] for number in numbers]
    return [each for each in rows if all(row.outcome == "ok" for row in each)]


def judged(blocks: Sequence[list[Observation]]) -> Judged:
    """Return the harness's comparisons over `blocks`, by stack and metric.

    A block drawn twice is two blocks, so they are numbered anew.
    """
    cells: dict[Key, list[Observation]] = {}
    for number, rows in enumerate(blocks, 1):
        for row in rows:
            cells.setdefault(row.key, []).append(replace(row, block=number))
    (base,) = (key for key in cells if key.stack == BASELINE)
    return {
        f"{pair.key.stack} {pair.metric}": pair
        for key in cells.keys() - {base}
        for pair in stats.comparisons({each: cells[each] for each in (base, key)}, _baseline, 3)
    }


def _baseline(_: Key) -> str:
    return BASELINE


if __name__ == "__main__":
    main()
