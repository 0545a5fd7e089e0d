"""One side of a comparison: what a results folder holds, less what is not compared. Pure."""

import math
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import accumulate, chain, pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness import parts
from harness.model import Errors, Key, Outcome
from harness.thresholds import RATE_KEPT

Measure = Literal["rps", "p99_ms", "app_cpu_us", "rss_peak_mib", "rss_end_mib"]

MEASURES: Sequence[Measure] = ("rps", "p99_ms", "app_cpu_us", "rss_peak_mib", "rss_end_mib")

LARGEST = 1e15
"""No measured number comes near it."""

NUMBERS = ("block", "requests", "offered_rps", *MEASURES)

Floats = NDArray[np.float64]

_numbers = operator.attrgetter(*NUMBERS)
_errors = operator.attrgetter(*(each.name for each in fields(Errors)))


@dataclass(frozen=True, slots=True)
class Observed:
    """What two runs are compared by, of one cell in one block. Its fields are columns."""

    key: Key
    block: int
    requests: int
    rps: float | None
    offered_rps: float | None
    p99_ms: float | None
    by_class: Errors
    app_cpu_us: float | None
    rss_end_mib: float | None
    rss_peak_mib: float | None
    outcome: Outcome
    parts: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell over its blocks; `outcome` and `error_pct` are those of `cells.csv`.

    `error_pcts` holds failed requests, of all that ended, in per cent, for each block with
    a number, or when there are none for each block. `logs` holds what was measured, by
    block, as logarithms: -inf where not one request had a good answer. `courses` holds how
    `blocks` went in some measures: blocks x parts (`harness.parts`), NaN where that is not
    known. `fell_behind`: fewer requests were answered than were due, so that latency is that
    of a queue that grows.
    """

    outcome: Outcome
    error_pct: float
    error_pcts: Sequence[float]
    logs: Mapping[Measure, Mapping[int, float]]
    blocks: Sequence[int]
    courses: Mapping[str, Floats] = field(compare=False)  # arrays have no one truth
    fell_behind: bool


@dataclass(frozen=True)
class Side:
    """A run's results. `baselines` holds each group's, where it has one.

    `matrix` is the resolved `matrix.toml`, `environment` the contents of `env.json`.
    """

    label: str
    cells: Mapping[Key, Cell]
    baselines: Mapping[str, str]
    min_blocks: int
    matrix: Mapping[str, Any]
    environment: Mapping[str, Any]


def side(
    label: str,
    rows: Iterable[Observed],
    matrix: Mapping[str, Any],
    environment: Mapping[str, Any],
) -> Side:
    """Return the side of `rows`, in any order.

    Only cells of the stacks that `matrix` names are compared. Raises KeyError, TypeError or
    AttributeError when it is no resolved matrix, ValueError when rows hold no parts of a block.
    """
    stacks = {stack["name"] for stack in matrix["stack"]}
    cells: dict[Key, list[Observed]] = defaultdict(list)
    for row in rows:
        if row.key.stack in stacks:
            cells[row.key].append(row)
    ordered = {key: sorted(each, key=operator.attrgetter("block")) for key, each in cells.items()}
    courses = {figure: _courses(ordered, figure) for figure in parts.PLACES}
    return Side(
        label=label,
        cells={
            key: _cell(each, {figure: each[key] for figure, each in courses.items()})
            for key, each in ordered.items()
        },
        baselines={
            each["name"]: each["baseline"] for each in matrix["group"] if "baseline" in each
        },
        min_blocks=max(2, matrix["run"]["min_blocks"]),
        matrix=matrix,
        environment=environment,
    )


def impossible(row: Observed) -> str | None:
    """Return what is wrong with a row whose numbers nothing could have measured."""
    values = [value for value in _numbers(row) if value is not None]
    if min(values) < 0 or max(values) > LARGEST:
        named = zip(NUMBERS, _numbers(row), strict=True)
        name, value = next(each for each in named if each[1] and not 0 <= each[1] <= LARGEST)
        return f"{name}: expected a number from 0 to {LARGEST:g}, got {value:g}"
    least = min(_errors(row.by_class))
    return f"err_*: expected 0 or more, got {least}" if least < 0 else None


def _courses(cells: Mapping[Key, Sequence[Observed]], figure: str) -> dict[Key, Floats]:
    """Return how the good blocks of each cell went: those of all cells are read at once."""
    texts = {key: [row.parts for row in _good(rows)] for key, rows in cells.items()}
    found = parts.logs(list(chain.from_iterable(texts.values())), figure)
    ends = accumulate(map(len, texts.values()), initial=0)
    return {key: found[start:end] for key, (start, end) in zip(texts, pairwise(ends), strict=True)}


def _good(rows: Sequence[Observed]) -> list[Observed]:
    """Return the rows with a number, one a block: of a line that is there twice the last."""
    return list({row.block: row for row in rows if row.outcome == "ok"}.values())


def _cell(ordered: Sequence[Observed], courses: Mapping[str, Floats]) -> Cell:
    good = [row for row in ordered if row.outcome == "ok"]
    blocks = good or ordered
    errors = [sum(_errors(row.by_class)) for row in blocks]
    ended = [row.requests + failed for row, failed in zip(blocks, errors, strict=True)]
    return Cell(
        outcome="ok" if good else ordered[-1].outcome,
        error_pct=_pct(sum(errors), sum(ended)),
        error_pcts=list(map(_pct, errors, ended)),
        logs={measure: _logs(good, operator.attrgetter(measure)) for measure in MEASURES},
        blocks=[row.block for row in _good(ordered)],
        courses=courses,
        fell_behind=sum(row.rps or 0.0 for row in good)
        < RATE_KEPT * sum(row.offered_rps or 0.0 for row in good),
    )


def _pct(errors: int, ended: int) -> float:
    return 100 * errors / ended if errors else 0.0


def _logs(rows: Sequence[Observed], get: Callable[[Observed], float | None]) -> dict[int, float]:
    return {
        row.block: math.log(value) if value else -math.inf
        for row in rows
        if (value := get(row)) is not None
    }
