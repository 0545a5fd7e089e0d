"""What a ratio's interval allows to be said."""

import math
from collections import defaultdict
from collections.abc import Mapping

from scipy import special

from harness.model import Key, Metric, Verdict
from harness.stats.family import holm
from harness.stats.interval import Interval, t_quantile
from harness.stats.metric import MORE_IS_BETTER
from harness.thresholds import CONFIDENCE, SAME_WITHIN


def verdict(found: Interval, metric: Metric, surely: bool) -> Verdict:
    """Return the verdict on a ratio that has an interval; `surely` is whether it is `different`."""
    assert found.lo is not None
    assert found.hi is not None
    margin = math.log1p(SAME_WITHIN)
    low, high = math.log(found.lo), math.log(found.hi)
    if low >= -margin and high <= margin:
        return "tie"
    if not surely or (low <= margin and high >= -margin):
        return "unclear"
    return "faster" if (low > margin) == MORE_IS_BETTER[metric] else "slower"


def different(found: Mapping[Key, Interval]) -> set[Key]:
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


def blocks_to_go(ratio: float, half_width: float | None, n: int) -> int:
    """Return how many more blocks would likely settle an `unclear` ratio, at today's spread.

    `half_width` is that of the ratio's interval on the log scale, from `n` blocks.
    """
    if not half_width:
        return 1
    margin = math.log1p(SAME_WITHIN)
    distance = min(abs(math.log(ratio) - margin), abs(math.log(ratio) + margin))
    return max(1, math.ceil(n * (half_width / max(distance, half_width / 10)) ** 2) - n)


def _p_of_difference(found: Interval) -> float:
    """Return the one-sided p-value of a ratio no further from 1 than `SAME_WITHIN`."""
    half = found.half_width
    assert half is not None
    beyond = abs(math.log(found.mean)) - math.log1p(SAME_WITHIN)
    if half == 0:
        return 0.0 if beyond > 0 else 1.0
    standard_error = half / t_quantile(found.n - 1)
    return float(special.stdtr(found.n - 1, -beyond / standard_error))
