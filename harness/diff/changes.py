"""Cells judged by how their ratio to the baseline changed. Pure.

A ratio to the baseline cancels the machine, block by block. So what is compared is a
cell's mean log ratio on one side with that on the other: two independent samples of
blocks. All cells are judged together (Holm), so that a matrix of a hundred cells has no
more chances of a false alarm than one of two.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from harness import parts, stats
from harness.diff.side import MEASURES, Cell, Floats, Measure, Side
from harness.diff.welch import Mean, Shift, mean, shift
from harness.model import Endpoint, Key, Metric, Setting
from harness.thresholds import CONFIDENCE, MAX_ERROR_PCT, RATIO_DRIFT, SAME_WITHIN

Verdict = Literal["faster", "slower", "same", "unclear", ""]

Limits = Mapping[tuple[str, Key], float]
"""By metric and cell, the variance beyond which its ratio to its baseline wanders."""

AT_ONCE = 500
"""Pairs, of some ten blocks each as a rule: what is made of them fits a cache."""

MARGIN = math.log1p(SAME_WITHIN)
MORE_IS_BETTER = {metric for metric, more in stats.MORE_IS_BETTER.items() if more}


@dataclass(frozen=True, slots=True)
class Change:
    """How one cell's ratio to its reference changed, in one metric. All on the log scale.

    `reference` names the stacks whose geometric mean the ratio is to: the `baseline`, unless
    that itself moved. `a` and `b` are None where a side has no ratio. `proven`: the
    change is not chance, after Holm, however small it is; `verdict` wants it to matter
    too, and is empty where none may be given.
    """

    key: Key
    baseline: str
    reference: tuple[str, ...]
    metric: Metric
    a: Mean | None
    b: Mean | None
    shift: Shift | None
    judged: bool
    proven: bool = False
    verdict: Verdict = ""


def changes(a: Side, b: Side, keys: Sequence[Key]) -> list[Change]:
    """Return the changes of the cells `keys`, which both sides have, judged as one family."""
    return judged(unjudged(a, b, keys))


def unjudged(a: Side, b: Side, keys: Sequence[Key]) -> list[Change]:
    """Return the changes of the cells `keys`, which both sides have, before any verdict."""
    settings = _settings(keys)
    pairs = [
        (key, baseline)
        for each in settings
        if (baseline := _baseline(a, b, each)) is not None
        for key in each
        if key != baseline
    ]
    limits = tuple(_limits(side, pairs) for side in (a, b))
    return [change for each in settings for change in _of_setting(a, b, each, limits)]


def judged(changes: Sequence[Change]) -> list[Change]:
    """Return `changes` with their verdicts: all of them are one family."""
    family = [
        (p, number)
        for number, each in enumerate(changes)
        if each.judged and each.shift is not None and (p := each.shift.p) is not None
    ]
    no_chance = stats.holm(family, 1 - CONFIDENCE)
    return [
        _judged(each, proven=number in no_chance and not _may_be_the_hour(each))
        for number, each in enumerate(changes)
    ]


def ratio(side: Side, key: Key, baseline: Key, metric: Metric) -> Mean | None:
    """Return the mean log ratio of a cell to its baseline, over the blocks that both have."""
    return _mean(side, key, [baseline], metric)


def means(found: Sequence[Change]) -> dict[tuple[Metric, Endpoint], float]:
    """Return the mean size of an endpoint's changes in each metric, on the log scale."""
    sizes: dict[tuple[Metric, Endpoint], list[float]] = defaultdict(list)
    for each in found:
        if each.shift is not None:
            sizes[each.metric, each.key.endpoint].append(each.shift.size)
    return {
        (metric, endpoint): statistics.fmean(sizes[metric, endpoint])
        for metric, endpoint in sorted(sizes, key=lambda name: (MEASURES.index(name[0]), name[1]))
    }


def worse_by(measure: Measure, found: Shift) -> float:
    """Return by how much something got worse, on the log scale; below zero it got better."""
    return -found.size if measure in MORE_IS_BETTER else found.size


def _settings(keys: Sequence[Key]) -> list[list[Key]]:
    found: dict[Setting, list[Key]] = defaultdict(list)
    for key in keys:
        found[key.setting].append(key)
    return list(found.values())


def _of_setting(
    a: Side, b: Side, keys: Sequence[Key], limits: Sequence[Limits]
) -> Iterator[Change]:
    """Yield the changes of one setting's cells against their baseline, or against each other."""
    baseline = _baseline(a, b, keys)
    if baseline is None:
        return
    others = [key for key in keys if key != baseline]
    for metric in stats.metrics(baseline.setting):
        found = [_change(a, b, key, baseline, [baseline], metric, limits) for key in others]
        alike = _moved_alike(found)
        if alike:
            # The odd one out is the baseline: measured by it, all others would be blamed.
            found = [_change(a, b, key, baseline, alike, metric) for key in keys]
        yield from found


def _baseline(a: Side, b: Side, keys: Sequence[Key]) -> Key | None:
    """Return the baseline of a setting, where both sides measured it; B's choice wins."""
    by_stack = {key.stack: key for key in keys}
    names = (side.baselines.get(keys[0].group) for side in (b, a))
    return next((by_stack[name] for name in names if name in by_stack), None)


def _change(
    a: Side,
    b: Side,
    key: Key,
    baseline: Key,
    reference: Sequence[Key],
    metric: Metric,
    limits: Sequence[Limits] = ({}, {}),
) -> Change:
    before, after = (
        _mean(side, key, reference, metric, known.get((metric, key)))
        for side, known in zip((a, b), limits, strict=True)
    )
    enough = (
        before is not None
        and after is not None
        and before.n >= a.min_blocks
        and after.n >= b.min_blocks
    )
    cells = [side.cells[each] for side in (a, b) for each in (key, *reference)]
    sound = all(each.error_pct <= MAX_ERROR_PCT for each in cells)
    queued = metric == "p99_ms" and any(each.fell_behind for each in cells)
    return Change(
        key=key,
        baseline=baseline.stack,
        reference=tuple(each.stack for each in reference),
        metric=metric,
        a=before,
        b=after,
        shift=shift(before, after) if before and after else None,
        judged=enough and sound and not queued,
    )


def _log_ratios(side: Side, key: Key, reference: Sequence[Key], metric: Metric) -> list[float]:
    """Return the log ratios of the blocks that all have, in order; none if one had nothing in one.

    To leave that block out would flatter whoever failed in it.
    """
    mine = side.cells[key].logs[metric]
    theirs = [side.cells[each].logs[metric] for each in reference]
    logs = [
        log - sum([each[block] for each in theirs]) / len(theirs)
        for block, log in sorted(mine.items())
        if all(block in each for each in theirs)
    ]
    return logs if all(map(math.isfinite, logs)) else []


def _mean(
    side: Side, key: Key, reference: Sequence[Key], metric: Metric, limit: float | None = None
) -> Mean | None:
    values = _log_ratios(side, key, reference, metric)
    if not values:
        return None
    if limit is None and metric in parts.PLACES:
        others = [side.cells[each] for each in reference]
        course = _course(side.cells[key], others, metric)
        (limit,) = stats.bounds(course, [len(course)])
    return mean(values, in_order=True, bound=math.inf if limit is None else limit)


def _limits(side: Side, pairs: Sequence[tuple[Key, Key]]) -> Limits:
    """Return the variance beyond which each cell's ratio to its baseline wanders."""
    found: dict[tuple[str, Key], float] = {}
    for figure in parts.PLACES:
        for start in range(0, len(pairs), AT_ONCE):
            some = pairs[start : start + AT_ONCE]
            courses = [_course(side.cells[key], [side.cells[base]], figure) for key, base in some]
            names = ((figure, key) for key, _ in some)
            limits = stats.bounds(np.concatenate(courses), list(map(len, courses)))
            found |= zip(names, limits, strict=True)
    return found


def _course(mine: Cell, theirs: Sequence[Cell], figure: str) -> Floats:
    """Return how a ratio went in the blocks that all have, as logs: blocks x parts."""
    if any(each.blocks != mine.blocks for each in theirs):
        both = set(mine.blocks).intersection(*(each.blocks for each in theirs))
        own, *others = (
            each.courses[figure][[block in both for block in each.blocks]]
            for each in (mine, *theirs)
        )
    else:
        own, *others = (each.courses[figure] for each in (mine, *theirs))
    return own - sum(others) / len(others)


def _moved_alike(changes: Sequence[Change]) -> list[Key]:
    """Return the cells that moved together against their baseline, if nearly all of them did.

    Nearly all: but one in four, and never fewer than two. Together: by the same factor,
    give or take what is a tie or their intervals. Each must have moved by itself, too, or
    one stack's change would pull a mean along that the others have no part in.
    """
    shifts = {each.key: each.shift for each in changes if each.judged and each.shift is not None}
    if len(shifts) < 2:
        return []
    middle = statistics.median(each.size for each in shifts.values())
    alike = [key for key, each in shifts.items() if _follows(each, middle)]
    nearly_all = len(shifts) - len(shifts) // 4
    return alike if abs(middle) > MARGIN and len(alike) >= nearly_all else []


def _follows(found: Shift, middle: float) -> bool:
    half = found.half_width
    assert half is not None  # it was judged
    moved = abs(found.size) > half and (found.size > 0) == (middle > 0)
    return moved and abs(found.size - middle) <= max(MARGIN, half)


def _may_be_the_hour(change: Change) -> bool:
    """Whether a ratio so far from 1 may change that much between two runs of the same code.

    What the hour does and what blocks scatter by are independent: their squares add up. But the
    interval of a ratio that wanders is of the same thing, so there the larger of the two counts.
    """
    assert change.a is not None
    assert change.b is not None
    assert change.shift is not None
    hour = RATIO_DRIFT * abs(change.a.value + change.b.value) / 2
    half = change.shift.half_width or 0.0
    both = max if change.a.wander or change.b.wander else math.hypot
    return abs(change.shift.size) <= both(hour, half)


def _judged(change: Change, *, proven: bool) -> Change:
    return replace(change, proven=proven, verdict=_verdict(change, proven))


def _verdict(change: Change, proven: bool) -> Verdict:
    found = change.shift
    if not change.judged or found is None or found.half_width is None:
        return ""
    if proven and abs(found.size) > MARGIN:
        return "slower" if worse_by(change.metric, found) > 0 else "faster"
    return "same" if abs(found.size) + found.half_width <= MARGIN else "unclear"
