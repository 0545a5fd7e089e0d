"""How long requests waited for their pools, from the counts that adapters keep.

The counts of all workers of a stack are read before and after its load, and what lies in
between is kept in the bins of `harness.histogram`, whose own are finer.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters import checkouts
from harness import histogram

MIDDLES_NS = np.array([checkouts.middle_ns(each) for each in range(checkouts.BINS)])
FINER = np.floor(np.log2(MIDDLES_NS) * histogram.BINS_PER_OCTAVE).clip(0).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Waits:
    """Of requests that asked a pool for a connection, those that gave up among them."""

    counts: histogram.Counts

    @property
    def mean_ms(self) -> float | None:
        """None without a request."""
        number = int(self.counts.sum())
        if not number:
            return None
        return float(self.counts @ histogram.MIDDLES_NS[: len(self.counts)]) / number / 1e6

    @property
    def p99_ms(self) -> float | None:
        """None without a request."""
        return histogram.percentile_ms(self.counts, 99)


def read(paths: Iterable[Path]) -> NDArray[np.int64] | None:
    """Return the counts of all workers together; None without any, or when one is not there."""
    try:
        each = [np.array(checkouts.read(path), np.int64) for path in paths]
    except OSError:
        return None
    return np.sum(each, axis=0) if each else None


def between(before: NDArray[np.int64] | None, after: NDArray[np.int64] | None) -> Waits | None:
    """Return what was counted from one reading to the other; None when that is nothing."""
    if before is None or after is None or not (after - before).any():
        return None
    counts = np.bincount(FINER, weights=after - before).astype(np.int64)
    return Waits(counts)


def together_each(cells: Iterable[Iterable[str]]) -> Iterator[Waits]:
    """Yield each cell's waits over its blocks, each as `histogram.encode` wrote it or empty."""
    return map(Waits, histogram.together_each([list(filter(None, texts)) for texts in cells]))
