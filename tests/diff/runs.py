"""Small builders of sides and of the folders they are read from."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.columns import values
from harness.diff.changes import Change
from harness.diff.compare import Difference
from harness.diff.side import Observed, Side, side
from harness.environment import to_json
from harness.model import Endpoint, Key, Observation
from harness.observation import NO_ERRORS
from harness.results import tables
from harness.results.resolved import to_toml
from tests.factories import ENVIRONMENT, a_cost, a_key, a_matrix, an_observation

BASE = "base"
OTHERS = ("one", "two", "three")
STACKS = (BASE, *OTHERS)
ENDPOINTS: Sequence[Endpoint] = ("users_get", "users_list", "users_insert", "books_list")
SEEDS = range(0, 240, 2)
STEADY = (1000.0, 1001.0, 999.0, 1000.0)
LIMITS = {"users_list": 100, "books_list": 20}


def the_matrix(stacks: Sequence[str] = STACKS, **run: Any) -> dict[str, Any]:
    """Return a resolved matrix, as TOML reads it, of one group `g`."""
    return {
        "run": {"min_blocks": 3, "measure": "2s", **run},
        "stack": [{"name": name, "adapter": "psycopg_pool"} for name in stacks],
        "group": [{"name": "g", "baseline": stacks[0], "stacks": list(stacks)}],
    }


def cell(stack: str, endpoint: Endpoint = "users_get") -> Key:
    return a_key(stack=stack, endpoint=endpoint, limit=LIMITS.get(endpoint))


def observed(key: Key, block: int = 1, **fields: Any) -> Observed:
    ordinary: dict[str, Any] = {
        "requests": 2000,
        "rps": 1000.0,
        "offered_rps": None,
        "p99_ms": 24.0,
        "by_class": NO_ERRORS,
        "app_cpu_us": 400.0,
        "rss_end_mib": 64.0,
        "rss_peak_mib": 66.0,
        "outcome": "ok",
        "parts": "",
    }
    return Observed(key=key, block=block, **ordinary | fields)


def rows(key: Key, rates: Iterable[float], **fields: Any) -> list[Observed]:
    """Return one row a rate, in blocks from 1; CPU is what a server kept busy spends."""
    return [
        observed(key, number, **{"rps": rate, "app_cpu_us": 4e5 / rate, **fields})
        for number, rate in enumerate(rates, 1)
    ]


def a_side(*many: Sequence[Observed], label: str = "a", **parts: Any) -> Side:
    """Return the side of some cells' rows."""
    found = [row for each in many for row in each]
    matrix = parts.get("matrix", the_matrix())
    return side(label, found, matrix, parts.get("environment", ENVIRONMENT))


def simulated(
    seed: int,
    factors: Mapping[tuple[str, str], float] | None = None,
    *,
    blocks: int = 8,
    scatter: float = 0.015,
    machine: float = 1.0,
    apart: float = 0.05,
) -> Side:
    """Return a run whose ratios scatter by `scatter` a block; `factors` make cells faster.

    The machine as a whole is `machine` times as fast, and changes by 10 % from block to block.
    Each stack is faster than the one before it by `apart` times the first.
    """
    source = np.random.default_rng(seed)
    return a_side(list(_simulated(source, factors or {}, blocks, scatter, machine, apart)))


def _simulated(
    source: np.random.Generator,
    factors: Mapping[tuple[str, str], float],
    blocks: int,
    scatter: float,
    machine: float,
    apart: float,
) -> Iterator[Observed]:
    for endpoint in ENDPOINTS:
        for block in range(1, blocks + 1):
            speed = machine * np.exp(source.normal(0, 0.1))
            for number, stack in enumerate(STACKS):
                luck = np.exp(source.normal(0, scatter / 2**0.5))
                rate = (
                    1000.0
                    * (1 + number * apart)
                    * speed
                    * luck
                    * factors.get((stack, endpoint), 1.0)
                )
                cost = 4e5 / rate * np.exp(source.normal(0, 0.005)) * speed
                yield observed(
                    cell(stack, endpoint), block, rps=float(rate), app_cpu_us=float(cost)
                )


def named(difference: Difference) -> set[tuple[str, str, str]]:
    """Return (stack, endpoint, verdict) of every change that is named."""
    return {(each.key.stack, each.key.endpoint, each.verdict) for each in difference.named}


def only(difference: Difference, stack: str, metric: str = "rps") -> Change:
    """Return the change of the one cell of `stack`."""
    (found,) = [
        each for each in difference.changes if (each.key.stack, each.metric) == (stack, metric)
    ]
    return found


def two(rates: Sequence[float], **parts: Any) -> Side:
    """Return a side of a steady baseline and one other stack."""
    return a_side(rows(cell(BASE), STEADY), rows(cell("one"), rates), **parts)


def written(folder: Path, rates: Mapping[str, Sequence[float]], **parts: Any) -> Path:
    """Write the results of a run of `base` and `other` at `rates`, block by block."""
    measured = parts.get("matrix") or a_matrix()
    found = [
        row
        for stack, each in rates.items()
        for row in _observations(a_key(stack=stack, adapter=_adapter(stack)), each)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    table = tables.table(Observation, [values(row) for row in found])
    (folder / "blocks.csv").write_text(table)
    (folder / "env.json").write_text(to_json(parts.get("environment") or ENVIRONMENT))
    (folder / "matrix.toml").write_text(to_toml(measured))
    return folder


def _adapter(stack: str) -> str:
    return "psycopg_pool" if stack == "base" else "asyncpg_pool"


def _observations(key: Key, rates: Sequence[float]) -> Iterator[Observation]:
    for number, rate in enumerate(rates, 1):
        row = an_observation(key, number, rps=rate, cost=a_cost(app_cpu_us=4e5 / rate))
        yield replace(row, requests=int(2 * rate))
