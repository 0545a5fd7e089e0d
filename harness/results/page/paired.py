"""Every two stacks of a setting against each other, within blocks, all at once. Pure.

The same interval as `harness.stats.log_interval`, for all pairs and objectives together:
a page may hold ten thousand pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from harness.thresholds import CONFIDENCE

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Paired:
    """Log ratios of the first stack of each pair to the second, pairs x objectives.

    `halves` is half of the 95 % interval (NaN with one block), `blocks` how many both have;
    `logs` is NaN where that is none.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    logs: Floats
    halves: Floats
    blocks: NDArray[np.intp]


def paired(logs: Floats) -> Paired:
    """Compare `logs`: stacks x blocks x objectives, NaN where a stack has no number."""
    first, second = np.triu_indices(len(logs), 1)
    differences = logs[first] - logs[second]
    known = ~np.isnan(differences)
    blocks = known.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.where(known, differences, 0.0).sum(axis=1) / blocks
        deviations = np.where(known, differences - means[:, None, :], 0.0)
        errors = np.sqrt((deviations**2).sum(axis=1) / (blocks - 1) / blocks)
        halves = special.stdtrit(blocks - 1.0, (1 + CONFIDENCE) / 2) * errors
    return Paired(first, second, means, np.where(blocks > 1, halves, np.nan), blocks)


def together(settings: Sequence[Paired]) -> Paired:
    """Return the geometric mean over `settings`, of the same stacks and objectives each.

    Settings are measured in blocks of their own, so that their errors are independent.
    """
    if len(settings) == 1:
        return settings[0]
    halves = np.stack([each.halves for each in settings])
    return Paired(
        settings[0].first,
        settings[0].second,
        np.stack([each.logs for each in settings]).mean(axis=0),
        np.sqrt((halves**2).sum(axis=0)) / len(settings),
        np.stack([each.blocks for each in settings]).min(axis=0),
    )
