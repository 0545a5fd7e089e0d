"""One cell over all its blocks."""

import math
import operator
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from harness import arrivals, connections, growth, histogram
from harness.model import (
    Connections,
    Cost,
    Distance,
    Errors,
    Key,
    Latency,
    Observation,
    OpenLoop,
    Pooler,
    Summary,
    Wire,
)
from harness.stats.flags import flags
from harness.stats.interval import Interval
from harness.stats.rate import capacity, rates
from harness.thresholds import P99_MIN_REQUESTS

AVERAGED = (
    *(f"cost.{each.name}" for each in fields(Cost)),
    "littles_law",
    "distance.rtt_measured_ms",
    "distance.rtt_loaded_ms",
    "pooler.via_cpu_us",
)
"""Where an observation has what is the mean over blocks in a summary."""

_averaged = operator.attrgetter(*AVERAGED)
_by_class = operator.attrgetter(*(each.name for each in fields(Errors)))


def by_cell(observations: Iterable[Observation]) -> dict[Key, list[Observation]]:
    """Group observations by cell, each cell's in the order of blocks."""
    cells: dict[Key, list[Observation]] = defaultdict(list)
    for observation in observations:
        cells[observation.key].append(observation)
    return {key: sorted(rows, key=lambda row: row.block) for key, rows in cells.items()}


def summarise(rows: Sequence[Observation]) -> Summary:
    """Return one cell's summary over its blocks (at least one).

    Only blocks whose outcome is `ok` enter the numbers. With none, the row says
    what happened instead: the outcome and reason of the last block.
    """
    return summaries([rows])[0]


def summaries(cells: Sequence[Sequence[Observation]]) -> list[Summary]:
    """Return the summary of each cell; what takes long is done for all of them at once."""
    good = [[row for row in rows if row.outcome == "ok"] for rows in cells]
    return list(
        map(
            _summary,
            cells,
            good,
            rates([[row.rps for row in rows if row.rps is not None] for rows in good]),
            histogram.together_each(
                [[row.latencies for row in rows if row.latencies] for rows in good]
            ),
            arrivals.together_each(good),
            connections.together_each([[row.connections for row in rows] for rows in good]),
        )
    )


def _summary(
    rows: Sequence[Observation],
    good: Sequence[Observation],
    rate: Interval | None,
    latencies: histogram.Counts,
    open_loop: OpenLoop,
    connections: Connections,
) -> Summary:
    seen = spoken_for(rows)
    errors = _sum_errors(row.by_class for row in seen)
    attempts = errors.total + sum(row.requests for row in seen)
    *cost, littles_law, rtt_measured_ms, rtt_loaded_ms, via_cpu_us = _means(good)
    return Summary(
        key=rows[0].key,
        blocks=len(good),
        requests=sum(row.requests for row in good),
        rps=rate.mean if rate else None,
        rps_lo=rate.lo if rate else None,
        rps_hi=rate.hi if rate else None,
        latency=_latency(good, latencies),
        errors=errors.total,
        error_pct=100 * errors.total / attempts if attempts else None,
        by_class=errors,
        cost=_cost(cost, good),
        littles_law=littles_law,
        outcome="ok" if good else rows[-1].outcome,
        flags=flags(rows),
        open_loop=open_loop,
        capacity=capacity([row.capacity for row in good]),
        distance=Distance(rtt_measured_ms, rtt_loaded_ms),
        wire=Wire(_mean([row.wire.round_trips for row in rows])),
        pooler=Pooler(via_cpu_us),
        connections=connections,
        memory=growth.together([row.memory.figures for row in good]),
    )


def spoken_for(rows: Sequence[Observation]) -> Sequence[Observation]:
    """Return the blocks a cell's errors are taken from: those with a number, else all."""
    return [row for row in rows if row.outcome == "ok"] or rows


def _latency(rows: Sequence[Observation], total: histogram.Counts) -> Latency:
    """Percentiles of all latencies of the blocks together; never an average of percentiles."""
    enough = bool(rows) and all(row.requests >= P99_MIN_REQUESTS for row in rows)
    p50_ms, p90_ms, p95_ms, p99_ms = histogram.percentiles_ms(total, (50, 90, 95, 99))
    return Latency(
        p50_ms=p50_ms,
        p90_ms=p90_ms,
        p95_ms=p95_ms,
        p99_ms=p99_ms if enough else None,
        max_ms=max((row.latency.max_ms for row in rows if row.latency.max_ms), default=None),
    )


def _cost(means: Sequence[Any], rows: Sequence[Observation]) -> Cost:
    peaks = [row.cost.rss_peak_mib for row in rows if row.cost.rss_peak_mib is not None]
    opened = [row.cost.connections for row in rows if row.cost.connections is not None]
    app, db, load, idle, end, _, pss_end, db_pss, _ = means
    peak, connections = max(peaks, default=None), max(opened, default=None)
    return Cost(app, db, load, idle, end, peak, pss_end, db_pss, connections)


def _means(rows: Sequence[Observation]) -> Sequence[Any]:
    """Return the mean of each of `AVERAGED` over the blocks that have it."""
    columns = zip(*map(_averaged, rows), strict=True)
    return [_mean(values) for values in columns] or [None] * len(AVERAGED)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def _sum_errors(many: Iterable[Errors]) -> Errors:
    return Errors(*map(sum, zip(*map(_by_class, many), strict=True)))
