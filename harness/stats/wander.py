"""Whether blocks are independent of each other, as an interval over them takes for granted."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

from harness.thresholds import CONFIDENCE, WANDER_LEAST_BLOCKS

Numbers = TypeVar("Numbers", float, NDArray[np.float64])

ROUNDING = 1e-24
"""A variance below it is that of the last digits of a double: no scatter at all."""

SURELY = float(special.ndtri((1 + CONFIDENCE) / 2))


def wanders(steps: Numbers, variance: Numbers, n: int | NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether `n` blocks in the order of time follow each other more than chance would have it.

    `steps` is the mean square of the differences of neighbours, `variance` that of all values
    (of n - 1): of independent values the one is twice the other. How much less it may be by
    chance is what Young's C says (1941), which von Neumann's ratio is another form of; SciPy
    has neither. Of independent values one sample in forty is said to wander.
    """
    enough = np.maximum(n, WANDER_LEAST_BLOCKS)
    by_chance = 1 - SURELY * np.sqrt((enough - 2) / (enough**2 - 1))
    found: NDArray[np.bool_] = np.less(steps, 2 * variance * by_chance)
    return found & (variance > ROUNDING) & (n >= WANDER_LEAST_BLOCKS)
