"""Req/s of a cell over its blocks, as `rps` and as a capacity."""

import statistics
from collections.abc import Sequence

import numpy as np

from harness.model import Capacity, CapacityLimit, CapacitySummary
from harness.stats.interval import Interval, log_intervals

LIMITS: tuple[CapacityLimit, ...] = ("time", "connections", "slo")


def rates(cells: Sequence[Sequence[float]]) -> list[Interval | None]:
    """Return the mean req/s of each cell, None where it has none.

    A block without one good answer leaves no logs, so no interval.
    """
    intervals = iter(log_intervals([each for each in cells if each and min(each) > 0]))
    return [
        None if not each else next(intervals) if min(each) > 0 else _without_interval(each)
        for each in cells
    ]


def _without_interval(values: Sequence[float]) -> Interval:
    mean = float(np.mean(values))
    return Interval(mean, None, None, len(values), mean)


def capacity(blocks: Sequence[Capacity]) -> CapacitySummary:
    """Return the capacity over `blocks`; nothing where none was searched."""
    (rate,) = rates([[each.capacity_rps for each in blocks if each.capacity_rps is not None]])
    if rate is None:
        return CapacitySummary()
    limits = {each.capacity_limit for each in blocks}
    concurrency = [each.capacity_concurrency for each in blocks if each.capacity_concurrency]
    return CapacitySummary(
        capacity_rps=rate.mean,
        capacity_rps_lo=rate.lo,
        capacity_rps_hi=rate.hi,
        capacity_concurrency=statistics.median_low(concurrency),
        # One block that might have found more makes more of the whole.
        capacity_limit=next(each for each in LIMITS if each in limits),
    )
