"""Whether what follows each other in time is alike, where an interval takes it for independent.

Young's C (1941), which von Neumann's ratio is another form of, says of values in the order of
time how much more alike neighbours are than any two: 0 by chance, up to 1. SciPy has neither.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

from harness.parts import PARTS
from harness.thresholds import CONFIDENCE, WANDER_LEAST_BLOCKS

Floats = NDArray[np.float64]
Numbers = TypeVar("Numbers", float, Floats)

ROUNDING = 1e-24
"""A variance below it is that of the last digits of a double: no scatter at all."""

SURELY = float(special.ndtri((1 + CONFIDENCE) / 2))

BY_CHANCE = SURELY * np.sqrt((PARTS - 2) / (PARTS**2 - 1))
"""What C of the parts of one block exceeds by chance one time in forty."""


def wanders(steps: Numbers, variance: Numbers, n: int | NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether `n` blocks in the order of time follow each other more than chance would have it.

    `steps` is the mean square of the differences of neighbours, `variance` that of all values
    (of n - 1): of independent values the one is twice the other. Of independent values one
    sample in forty is said to wander.
    """
    enough = np.maximum(n, WANDER_LEAST_BLOCKS)
    by_chance = 1 - SURELY * np.sqrt((enough - 2) / (enough**2 - 1))
    found: NDArray[np.bool_] = np.less(steps, 2 * variance * by_chance)
    return found & (variance > ROUNDING) & (n >= WANDER_LEAST_BLOCKS)


def likeness(parts: Floats) -> Floats:
    """Return Young's C of the parts of each block, ... x parts; NaN where nothing scatters.

    Each block has one of its own, for a noisy block says no more about it than a quiet one.
    """
    steps = (np.diff(parts, axis=-1) ** 2).sum(axis=-1)
    squares = ((parts - parts.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(squares > ROUNDING, 1 - steps / (2 * squares), np.nan)
    return found


def within(found: Floats) -> NDArray[np.bool_]:
    """Whether a ratio wanders within its blocks, while the same servers are up.

    `found` is its `likeness` in each block, ... x blocks, NaN where it is not known. Of
    independent parts one sample in forty is said to wander.
    """
    blocks = (~np.isnan(found)).sum(axis=-1)
    surely: NDArray[np.bool_] = (blocks > 0) & (
        np.nansum(found, axis=-1) > BY_CHANCE * np.sqrt(blocks)
    )
    return surely
