"""Observations -> summaries and comparisons. Pure; SciPy does the quantiles.

The block is the unit of replication: seconds and requests inside one are
autocorrelated and are never `n` (Kalibera & Jones 2013). Blocks of one setting were
measured together, so stacks are compared within them: the mean of the logs of the
blocks' ratios, with a t interval, exponentiated.
"""

import functools
import math
import operator
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

from harness import arrivals, connections, growth, histogram
from harness.model import (
    Capacity,
    CapacityLimit,
    CapacitySummary,
    Comparison,
    Cost,
    Distance,
    Errors,
    Key,
    Latency,
    Metric,
    Observation,
    Pooler,
    Setting,
    Summary,
    Verdict,
    Wire,
)
from harness.observation import NO_COST
from harness.thresholds import (
    CONFIDENCE,
    MAX_ERROR_PCT,
    P99_MIN_REQUESTS,
    SAME_WITHIN,
)

Number = TypeVar("Number", int, float)
Name = TypeVar("Name")
CLOSED_LOOP: tuple[Metric, ...] = ("rps", "app_cpu_us")
OPEN_LOOP: tuple[Metric, ...] = ("p99_ms", "app_cpu_us")
"""What cells are compared in, the primary metric first. In an open loop req/s is the rate."""

MORE_IS_BETTER: Mapping[Metric, bool] = {"rps": True, "app_cpu_us": False, "p99_ms": False}
METRICS: Mapping[Metric, Callable[[Observation], float | None]] = {
    "rps": operator.attrgetter("rps"),
    "app_cpu_us": operator.attrgetter("cost.app_cpu_us"),
    "p99_ms": operator.attrgetter("latency.p99_ms"),
}
_costs = operator.attrgetter(*(each.name for each in fields(Cost)))
_by_class = operator.attrgetter(*(each.name for each in fields(Errors)))
LIMITS: tuple[CapacityLimit, ...] = ("time", "connections", "slo")


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its 95 % confidence interval; None without two blocks to make one of.

    `middle` is the Hodges-Lehmann estimate of the same thing, which one odd block moves little.
    """

    mean: float
    lo: float | None
    hi: float | None
    n: int
    middle: float

    @property
    def half_width(self) -> float | None:
        """Half the interval's length on the log scale: 0.02 is about +-2 %."""
        if self.lo is None or self.hi is None:
            return None
        return math.log(self.hi / self.lo) / 2

    @property
    def fragile(self) -> bool:
        """Whether the two estimates differ by more than the interval allows for."""
        half = self.half_width
        return half is not None and abs(math.log(self.mean / self.middle)) > half


def log_interval(values: Sequence[float]) -> Interval:
    """Return the geometric mean of `values` (all above zero) with its t interval."""
    return log_intervals([values])[0]


def log_intervals(samples: Sequence[Sequence[float]]) -> list[Interval]:
    """Return `log_interval` of each of `samples`: those of one size at once, for there are many."""
    places: dict[int, list[int]] = defaultdict(list)
    for place, values in enumerate(samples):
        places[len(values)].append(place)
    found = {
        place: interval
        for alike in places.values()
        for place, interval in zip(alike, _intervals([samples[at] for at in alike]), strict=True)
    }
    return [found[place] for place in range(len(samples))]


def _intervals(samples: Sequence[Sequence[float]]) -> Iterator[Interval]:
    """Yield the interval of each of `samples`, all of one size."""
    logs = np.log(samples)
    means, n = logs.mean(axis=1), len(samples[0])
    if n < 2:
        yield from (Interval(mean, None, None, n, mean) for mean in np.exp(means).tolist())
        return
    halves = _t_quantile(n - 1) * logs.std(axis=1, ddof=1) / math.sqrt(n)
    ends = (means, means - halves, means + halves, _hodges_lehmann(logs))
    for mean, lo, hi, middle in np.exp(np.stack(ends, axis=1)).tolist():
        yield Interval(mean, lo, hi, n, middle)


def _hodges_lehmann(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return of each the median of the means of all pairs, each value with itself too (1963)."""
    first, second = _pairs(samples.shape[1])
    means = (samples[:, first] + samples[:, second]) / 2
    # Of lists, for so few values: numpy's median takes ten times as long to begin.
    return np.array([statistics.median(each) for each in means.tolist()])


@functools.cache
def _pairs(n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.triu_indices(n)


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
    totals = histogram.together_each(
        [[row.latencies for row in rows if row.latencies] for rows in good]
    )
    rates = _rates([[row.rps for row in rows if row.rps is not None] for rows in good])
    return list(map(_summary, cells, good, rates, totals))


def _summary(
    rows: Sequence[Observation],
    good: Sequence[Observation],
    rate: Interval | None,
    latencies: histogram.Counts,
) -> Summary:
    seen = spoken_for(rows)
    errors = _sum_errors(row.by_class for row in seen)
    requests = sum(row.requests for row in good)
    attempts = requests + errors.total
    return Summary(
        key=rows[0].key,
        blocks=len(good),
        requests=requests,
        rps=rate.mean if rate else None,
        rps_lo=rate.lo if rate else None,
        rps_hi=rate.hi if rate else None,
        latency=_latency(good, latencies),
        errors=errors.total,
        error_pct=100 * errors.total / attempts if attempts else None,
        by_class=errors,
        cost=_cost(good),
        littles_law=_mean(row.littles_law for row in good),
        outcome="ok" if good else rows[-1].outcome,
        flags=_flags(rows),
        open_loop=arrivals.together(good),
        capacity=_capacity([row.capacity for row in good]),
        distance=Distance(
            _mean(row.distance.rtt_measured_ms for row in good),
            _mean(row.distance.rtt_loaded_ms for row in good),
        ),
        wire=Wire(_mean(row.wire.round_trips for row in rows)),
        pooler=Pooler(_mean(row.pooler.via_cpu_us for row in good)),
        connections=connections.together([row.connections for row in good]),
        memory=growth.together([row.memory.figures for row in good]),
    )


def _capacity(blocks: Sequence[Capacity]) -> CapacitySummary:
    (rate,) = _rates([[each.capacity_rps for each in blocks if each.capacity_rps is not None]])
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


def spoken_for(rows: Sequence[Observation]) -> Sequence[Observation]:
    """Return the blocks a cell's errors are taken from: those with a number, else all."""
    return [row for row in rows if row.outcome == "ok"] or rows


def _rates(cells: Sequence[Sequence[float]]) -> list[Interval | None]:
    """Return the mean req/s of each cell, None where it has none.

    A block without one good answer leaves no logs, so no interval.
    """
    intervals = iter(log_intervals([rates for rates in cells if rates and min(rates) > 0]))
    return [
        None if not rates else next(intervals) if min(rates) > 0 else _without_interval(rates)
        for rates in cells
    ]


def _without_interval(rates: Sequence[float]) -> Interval:
    mean = float(np.mean(rates))
    return Interval(mean, None, None, len(rates), mean)


def compare(
    cell: Sequence[Observation], baseline: Sequence[Observation], metric: Metric
) -> Interval | None:
    """Return the ratio of `cell` to `baseline` over the blocks both have; None without any.

    None too when either had nothing in one of them: to leave that block out would
    flatter whoever failed in it.
    """
    return compare_each([(cell, baseline)], metric)[0]


def compare_each(
    sides: Iterable[tuple[Sequence[Observation], Sequence[Observation]]], metric: Metric
) -> list[Interval | None]:
    """Return what `compare` does for each cell with its baseline."""
    ratios = [_ratios(cell, baseline, metric) for cell, baseline in sides]
    intervals = iter(log_intervals([each for each in ratios if each]))
    return [next(intervals) if each else None for each in ratios]


def _ratios(
    cell: Sequence[Observation], baseline: Sequence[Observation], metric: Metric
) -> list[float]:
    theirs = by_block(baseline, metric)
    pairs = [
        (value, theirs[block]) for block, value in by_block(cell, metric).items() if block in theirs
    ]
    return [mine / base for mine, base in pairs] if all(map(all, pairs)) else []


def comparisons(
    cells: Mapping[Key, Sequence[Observation]],
    baseline_of: Callable[[Key], str | None],
    min_blocks: int,
) -> list[Comparison]:
    """Return every cell's comparison with its setting's baseline, in every metric of its loop."""
    baselines = {key.setting: rows for key, rows in cells.items() if key.stack == baseline_of(key)}
    failing = {key for key, each in cells.items() if _mostly_errors(each)}
    rows = []
    for metric in MORE_IS_BETTER:
        pairs = [
            (key, mine, baselines[key.setting])
            for key, mine in cells.items()
            if key.setting in baselines
            and key.stack != baseline_of(key)
            and metric in metrics(key.setting)
        ]
        intervals = compare_each([(mine, base) for _, mine, base in pairs], metric)
        found_of = {key: found for (key, *_), found in zip(pairs, intervals, strict=True)}
        surely = _different({key: found for key, found in found_of.items() if found})
        for key, mine, base in pairs:
            found = found_of[key]
            allowed = (
                found is not None
                and found.n >= max(2, min_blocks)
                and not failing & {key, base[0].key}
                # The latency of a queue that grows is that of the time it was given to grow.
                and not (metric == "p99_ms" and any(map(arrivals.fell_behind, (mine, base))))
            )
            rows.append(
                Comparison(
                    key=key,
                    baseline=base[0].key.stack,
                    metric=metric,
                    ratio=found.mean if found else None,
                    lo=found.lo if found else None,
                    hi=found.hi if found else None,
                    verdict=_verdict(found, metric, key in surely) if found and allowed else "",
                    flags="fragile" if found and found.fragile else "",
                )
            )
    return rows


def metrics(setting: Setting) -> tuple[Metric, ...]:
    """Return what the cells of `setting` are compared in, the primary metric first."""
    return CLOSED_LOOP if setting.rate is None else OPEN_LOOP


def blocks_to_go(ratio: float, half_width: float | None, n: int) -> int:
    """Return how many more blocks would likely settle an `unclear` ratio, at today's spread.

    `half_width` is that of the ratio's interval on the log scale, from `n` blocks.
    """
    if not half_width:
        return 1
    margin = math.log1p(SAME_WITHIN)
    distance = min(abs(math.log(ratio) - margin), abs(math.log(ratio) + margin))
    return max(1, math.ceil(n * (half_width / max(distance, half_width / 10)) ** 2) - n)


def _verdict(found: Interval, metric: Metric, surely: bool) -> Verdict:
    assert found.lo is not None
    assert found.hi is not None
    margin = math.log1p(SAME_WITHIN)
    low, high = math.log(found.lo), math.log(found.hi)
    if low >= -margin and high <= margin:
        return "tie"
    if not surely or (low <= margin and high >= -margin):
        return "unclear"
    return "faster" if (low > margin) == MORE_IS_BETTER[metric] else "slower"


def _different(found: Mapping[Key, Interval]) -> set[Key]:
    """Return the cells that differ by more than `SAME_WITHIN` after Holm's correction.

    A family is the comparisons of one setting in one metric: a setting of many
    stacks gets more chances to see a difference that is not there.
    """
    families: dict[object, list[tuple[float, Key]]] = defaultdict(list)
    for key, interval in found.items():
        if interval.half_width is not None:
            families[key.setting].append((_p_of_difference(interval), key))
    surely: set[Key] = set()
    for family in families.values():
        surely |= holm(family, (1 - CONFIDENCE) / 2)
    return surely


def holm(family: Sequence[tuple[float, Name]], level: float) -> set[Name]:
    """Return which of (p-value, name) are shown at `level` for all of them together (1979)."""
    shown: set[Name] = set()
    for rank, (p, name) in enumerate(sorted(family, key=lambda each: each[0])):
        if p > level / (len(family) - rank):
            break
        shown.add(name)
    return shown


def _p_of_difference(found: Interval) -> float:
    """Return the one-sided p-value of a ratio no further from 1 than `SAME_WITHIN`."""
    half = found.half_width
    assert half is not None
    beyond = abs(math.log(found.mean)) - math.log1p(SAME_WITHIN)
    if half == 0:
        return 0.0 if beyond > 0 else 1.0
    standard_error = half / _t_quantile(found.n - 1)
    return float(special.stdtr(found.n - 1, -beyond / standard_error))


@functools.cache
def _t_quantile(degrees: int) -> float:
    """Return Student's t at the two-sided confidence level.

    From `scipy.special`: all of `scipy.stats` takes half a second to import, at every start.
    """
    return float(special.stdtrit(degrees, (1 + CONFIDENCE) / 2))


def by_block(rows: Sequence[Observation], metric: Metric) -> dict[int, float]:
    """Return the metric of each block that has a number."""
    get = METRICS[metric]
    return {
        row.block: value for row in rows if row.outcome == "ok" and (value := get(row)) is not None
    }


def _mostly_errors(rows: Sequence[Observation]) -> bool:
    errors = sum(row.by_class.total for row in rows)
    attempts = errors + sum(row.requests for row in rows)
    return attempts > 0 and 100 * errors / attempts > MAX_ERROR_PCT


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


def _cost(rows: Sequence[Observation]) -> Cost:
    columns = zip(*(_costs(row.cost) for row in rows), strict=True)
    means: Iterable[Any] = map(_mean, columns)
    peaks = [row.cost.rss_peak_mib for row in rows if row.cost.rss_peak_mib is not None]
    opened = [row.cost.connections for row in rows if row.cost.connections is not None]
    return replace(
        Cost(*means) if rows else NO_COST,
        rss_peak_mib=max(peaks, default=None),
        connections=max(opened, default=None),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _sum_errors(many: Iterable[Errors]) -> Errors:
    return Errors(*map(sum, zip(*map(_by_class, many), strict=True)))


def _flags(rows: Sequence[Observation]) -> str:
    """Return each doubt once, with its number of blocks when not all had it, and the reasons.

    Beside a number, a reason is that of a block left out of it, and says so.
    """
    counts: dict[str, int] = defaultdict(int)
    number = any(row.outcome == "ok" for row in rows)
    for row in rows:
        reason = f"{row.outcome}: {row.reason}" if number and row.reason else row.reason
        for doubt in filter(None, (*row.flags.split("; "), reason)):
            counts[doubt] += 1
    return "; ".join(
        doubt if count == len(rows) else f"{doubt} ({count} of {len(rows)} blocks)"
        for doubt, count in sorted(counts.items())
    )
