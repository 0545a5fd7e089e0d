"""Two independent samples: how far apart their means are, after Welch (1947). Pure.

Variances are not assumed equal: one of two runs may have had the noisier machine.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from scipy import special

from harness import stats
from harness.thresholds import CONFIDENCE


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of `n` values, and the variance of that mean: None from one value.

    Where they `wander` that is the variance of one of them.
    """

    value: float
    variance: float | None
    n: int
    wander: bool = False

    @property
    def half_width(self) -> float | None:
        """Half the length of its 95 % t interval."""
        if self.variance is None:
            return None
        return _t_quantile(self.n - 1) * math.sqrt(self.variance)


@dataclass(frozen=True, slots=True)
class Shift:
    """How far one mean lies above another, and the variance of that, of so many degrees.

    Both are None unless both means have a variance: then there is no interval.
    """

    size: float
    variance: float | None
    degrees: float | None

    @property
    def half_width(self) -> float | None:
        """Half the length of its 95 % interval."""
        if self.variance is None or self.degrees is None:
            return None
        return _t_quantile(self.degrees) * math.sqrt(self.variance)

    @property
    def p(self) -> float | None:
        """The two-sided p-value of no shift."""
        if self.variance is None or self.degrees is None:
            return None
        if self.variance == 0:
            return float(abs(self.size) <= math.sqrt(stats.ROUNDING))
        return 2 * float(special.stdtr(self.degrees, -abs(self.size) / math.sqrt(self.variance)))


def mean(values: Sequence[float], *, in_order: bool = False, bound: float = math.inf) -> Mean:
    """Return the mean of `values`, at least one.

    Values that are `in_order` of time are worth one of them where they wander, as are those
    whose variance is beyond the `bound` that how each came about sets.
    """
    n = len(values)
    middle = sum(values) / n
    if n < 2:
        return Mean(middle, None, n)
    variance = sum([(each - middle) ** 2 for each in values]) / (n - 1)
    steps = sum([(after - before) ** 2 for before, after in pairwise(values)]) / (n - 1)
    wander = variance > bound or (in_order and bool(stats.wanders(steps, variance, n)))
    return Mean(middle, variance / (1 if wander else n), n, wander)


def shift(a: Mean, b: Mean) -> Shift:
    """Return how far `b` lies above `a`."""
    size = b.value - a.value
    if a.variance is None or b.variance is None:
        return Shift(size, None, None)
    variance = a.variance + b.variance
    if variance < stats.ROUNDING:
        return Shift(size, 0.0, 1.0)
    share_a, share_b = a.variance / variance, b.variance / variance
    degrees = 1 / (share_a**2 / (a.n - 1) + share_b**2 / (b.n - 1))
    return Shift(size, variance, degrees)


def _t_quantile(degrees: float) -> float:
    return float(special.stdtrit(degrees, (1 + CONFIDENCE) / 2))
