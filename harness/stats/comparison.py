"""Cells against their baseline, within the blocks that both have."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from harness import arrivals
from harness.model import Comparison, Key, Metric, Observation
from harness.stats.interval import Interval, log_intervals
from harness.stats.metric import MORE_IS_BETTER, by_block, metrics
from harness.stats.verdict import different, verdict
from harness.thresholds import MAX_ERROR_PCT


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
        surely = different({key: found for key, found in found_of.items() if found})
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
                    verdict=verdict(found, metric, key in surely) if found and allowed else "",
                    flags="fragile" if found and found.fragile else "",
                )
            )
    return rows


def _mostly_errors(rows: Sequence[Observation]) -> bool:
    errors = sum(row.by_class.total for row in rows)
    attempts = errors + sum(row.requests for row in rows)
    return attempts > 0 and 100 * errors / attempts > MAX_ERROR_PCT
