"""What a stack is chosen by: throughput, tail latency, CPU and memory. Pure."""

import itertools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.findings import Findings
from harness.model import Sample, Setting
from harness.results.page.paired import Floats, Texts

Objective = Literal["rps", "tail_ms", "app_cpu_us", "rss_peak_mib"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An objective in words: its name, whether more is better, and what a worse one is."""

    label: str
    unit: str
    more_is_better: bool
    worse: str


OBJECTIVES: Mapping[Objective, Wanted] = {
    "rps": Wanted("throughput", "req/s", True, "slower"),
    "tail_ms": Wanted("tail latency", "ms", False, "longer tail"),
    "app_cpu_us": Wanted("CPU", "us", False, "more CPU"),
    "rss_peak_mib": Wanted("memory", "MiB", False, "more memory"),
}


def of(found: Findings, setting: Setting) -> tuple[Objective, ...]:
    """Return the objectives that mean something in `setting`.

    At a rate, req/s is the rate; at a capacity, the tail is the SLO that was asked for.
    """
    if setting.rate is not None:
        return ("tail_ms", "app_cpu_us", "rss_peak_mib")
    if setting in found.slos:
        return ("rps", "app_cpu_us", "rss_peak_mib")
    return tuple(OBJECTIVES)


def tail(cells: Sequence[Sample]) -> Literal["p99_ms", "p95_ms"]:
    """Return the tail that all `cells` of a setting have: p95 where one lacks requests for p99."""
    return "p95_ms" if any(None in each.p99_ms for each in cells) else "p99_ms"


def logs(cells: Sequence[Sample], objectives: Sequence[Objective]) -> Floats:
    """Return the logs of `cells`: cells x blocks x objectives.

    NaN where a block has no number. One block of nothing (0 req/s) leaves the stack without
    the objective: to leave that block out would flatter it.
    """
    percentile = tail(cells)
    place = _places(cells)
    values = np.full((len(cells), len(place), len(objectives)), np.nan)
    read = operator.attrgetter(*(percentile if each == "tail_ms" else each for each in objectives))
    for index, sample in enumerate(cells):
        values[index, [place[each] for each in sample.blocks]] = np.array(read(sample), float).T
    nothing = (values == 0).any(axis=1, keepdims=True)
    return np.log(np.where(nothing, np.nan, values))


def courses(cells: Sequence[Sample]) -> Texts:
    """Return how the blocks of `cells` went: cells x blocks, as `harness.parts` has it."""
    place = _places(cells)
    found = np.full((len(cells), len(place)), "", dtype=object)
    for index, sample in enumerate(cells):
        found[index, [place[each] for each in sample.blocks]] = sample.parts
    return found


def _places(cells: Sequence[Sample]) -> dict[int, int]:
    """Return where each block of `cells` stands."""
    blocks = sorted(set(itertools.chain.from_iterable(each.blocks for each in cells)))
    return {block: at for at, block in enumerate(blocks)}
