"""An estimate over blocks, and how well it is known."""

import functools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from harness.stats.wander import wanders
from harness.thresholds import CONFIDENCE


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its 95 % confidence interval; None without two blocks to make one of.

    `middle` is the Hodges-Lehmann estimate of the same thing, which one odd block moves little.
    Blocks that `wander` follow each other in time, and are worth no more than one of them.
    """

    mean: float
    lo: float | None
    hi: float | None
    n: int
    middle: float
    wander: bool = False

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


def log_interval(
    values: Sequence[float], *, in_order: bool = False, bound: float = math.inf
) -> Interval:
    """Return the geometric mean of `values` (all above zero) with its t interval.

    Values that are `in_order` of time are not taken for independent when they are not, nor
    those whose variance is beyond the `bound` that how each came about sets (`stats.bound`).
    """
    return log_intervals([values], in_order=in_order, bounds=[bound])[0]


def log_intervals(
    samples: Sequence[Sequence[float]], *, in_order: bool = False, bounds: Sequence[float] = ()
) -> list[Interval]:
    """Return `log_interval` of each of `samples`: those of one size at once, for there are many."""
    most = bounds or [math.inf] * len(samples)
    places: dict[int, list[int]] = defaultdict(list)
    for place, values in enumerate(samples):
        places[len(values)].append(place)
    found = {
        place: interval
        for alike in places.values()
        for place, interval in zip(
            alike,
            _intervals([samples[at] for at in alike], in_order, [most[at] for at in alike]),
            strict=True,
        )
    }
    return [found[place] for place in range(len(samples))]


def _intervals(
    samples: Sequence[Sequence[float]], in_order: bool, bounds: Sequence[float]
) -> Iterator[Interval]:
    """Yield the interval of each of `samples`, all of one size."""
    logs = np.log(samples)
    means, n = logs.mean(axis=1), len(samples[0])
    if n < 2:
        yield from (Interval(mean, None, None, n, mean) for mean in np.exp(means).tolist())
        return
    variances = logs.var(axis=1, ddof=1)
    steps = (np.diff(logs) ** 2).mean(axis=1)
    wander = (variances > bounds) | (in_order & wanders(steps, variances, n))
    halves = t_quantile(n - 1) * np.sqrt(variances / np.where(wander, 1, n))
    ends = np.exp(np.stack((means, means - halves, means + halves, _hodges_lehmann(logs)), axis=1))
    for (mean, lo, hi, middle), wandering in zip(ends.tolist(), wander.tolist(), strict=True):
        yield Interval(mean, lo, hi, n, middle, wandering)


def _hodges_lehmann(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return of each the median of the means of all pairs, each value with itself too (1963)."""
    first, second = _pairs(samples.shape[1])
    medians: NDArray[np.float64] = np.median((samples[:, first] + samples[:, second]) / 2, axis=1)
    return medians


@functools.cache
def _pairs(n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.triu_indices(n)


@functools.cache
def t_quantile(degrees: int) -> float:
    """Return Student's t at the two-sided confidence level.

    From `scipy.special`: all of `scipy.stats` takes half a second to import, at every start.
    """
    return float(special.stdtrit(degrees, (1 + CONFIDENCE) / 2))
