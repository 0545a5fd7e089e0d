"""Cells against their baseline, within the blocks that both have."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set

from harness import arrivals, parts
from harness.model import Comparison, Key, Metric, Observation
from harness.stats.course import bounds
from harness.stats.interval import Interval, log_intervals
from harness.stats.metric import MORE_IS_BETTER, by_block, metrics
from harness.stats.verdict import different, verdict
from harness.thresholds import MAX_ERROR_PCT

AT_ONCE = 500
"""Pairs, of some ten blocks each as a rule: what is made of them fits a cache."""


Rows = Sequence[Observation]
"""What the blocks of one cell measured."""


def compare(
    cell: Sequence[Observation], baseline: Sequence[Observation], metric: Metric
) -> Interval | None:
    """Return the ratio of `cell` to `baseline` over the blocks both have; None without any.

    None too when either had nothing in one of them: to leave that block out would
    flatter whoever failed in it.
    """
    return _compare_each(metric, [(cell, baseline)])[0]


def comparisons(
    cells: Mapping[Key, Sequence[Observation]],
    baseline_of: Callable[[Key], str | None],
    min_blocks: int,
) -> list[Comparison]:
    """Return every cell's comparison with its setting's baseline, in every metric of its loop."""
    baselines = {key.setting: key for key in cells if key.stack == baseline_of(key)}
    against = {
        key: baselines[key.setting]
        for key in cells
        if key.setting in baselines and key.stack != baseline_of(key)
    }
    failing = {key for key, rows in cells.items() if _mostly_errors(rows)}
    return [
        pair
        for metric in MORE_IS_BETTER
        for pair in _in(metric, cells, against, failing, min_blocks)
    ]


def _in(
    metric: Metric,
    cells: Mapping[Key, Sequence[Observation]],
    against: Mapping[Key, Key],
    failing: Set[Key],
    min_blocks: int,
) -> Iterator[Comparison]:
    """Yield the comparisons of cells with those `against` which they stand, in one metric."""
    pairs = {key: base for key, base in against.items() if metric in metrics(key.setting)}
    ratios = _compare_each(metric, [(cells[key], cells[base]) for key, base in pairs.items()])
    found_of = dict(zip(pairs, ratios, strict=True))
    surely = different({key: found for key, found in found_of.items() if found})
    for key, base in pairs.items():
        found, sides = found_of[key], (cells[key], cells[base])
        allowed = (
            found is not None
            and found.n >= max(2, min_blocks)
            and not failing & {key, base}
            # The latency of a queue that grows is that of the time it was given to grow.
            and not (metric == "p99_ms" and any(map(arrivals.fell_behind, sides)))
        )
        yield Comparison(
            key=key,
            baseline=base.stack,
            metric=metric,
            ratio=found.mean if found else None,
            lo=found.lo if found else None,
            hi=found.hi if found else None,
            verdict=verdict(found, metric, key in surely) if found and allowed else "",
            flags=_flags(found) if found else "",
        )


def _flags(found: Interval) -> str:
    doubts = {"fragile": found.fragile, "wander": found.wander}
    return "; ".join(name for name, doubted in doubts.items() if doubted)


def _compare_each(metric: Metric, sides: Sequence[tuple[Rows, Rows]]) -> list[Interval | None]:
    """Return what `compare` does for each cell with its baseline."""
    ratios = list(_ratios(metric, sides))
    known = [(each, pair) for each, pair in zip(ratios, sides, strict=True) if each]
    limits = _bounds(metric, [pair for _, pair in known])
    intervals = iter(log_intervals([each for each, _ in known], in_order=True, bounds=limits))
    return [next(intervals) if each else None for each in ratios]


def _ratios(metric: Metric, sides: Sequence[tuple[Rows, Rows]]) -> Iterator[list[float]]:
    """Yield the ratios of each cell in the blocks that both have; a baseline is read once."""
    last, theirs = None, dict[int, float]()
    for cell, base in sides:
        if base is not last:
            last, theirs = base, by_block(base, metric)
        both = [
            (value, theirs[block])
            for block, value in by_block(cell, metric).items()
            if block in theirs
        ]
        yield [mine / other for mine, other in both] if all(map(all, both)) else []


def _bounds(metric: Metric, sides: Sequence[tuple[Rows, Rows]]) -> list[float]:
    """Return of each pair the variance beyond which its ratio wanders: many are read at once."""
    if metric not in parts.PLACES:
        return [math.inf] * len(sides)
    return [
        limit
        for start in range(0, len(sides), AT_ONCE)
        for limit in _bounds_of_some(metric, sides[start : start + AT_ONCE])
    ]


def _bounds_of_some(metric: Metric, sides: Sequence[tuple[Rows, Rows]]) -> list[float]:
    went = [(_parts(cell), _parts(base)) for cell, base in sides]
    both = [[block for block in mine if block in theirs] for mine, theirs in went]
    mine, theirs = (
        parts.logs(
            [
                pair[side][block]
                for pair, blocks in zip(went, both, strict=True)
                for block in blocks
            ],
            metric,
        )
        for side in (0, 1)
    )
    return bounds(mine - theirs, list(map(len, both)))


def _parts(rows: Rows) -> dict[int, str]:
    return {row.block: row.parts for row in rows if row.outcome == "ok" and row.parts}


def _mostly_errors(rows: Sequence[Observation]) -> bool:
    errors = sum(row.by_class.total for row in rows)
    attempts = errors + sum(row.requests for row in rows)
    return attempts > 0 and 100 * errors / attempts > MAX_ERROR_PCT
