"""Whether a ratio moves while the same servers are up: how its blocks went, part by part."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from harness.parts import PARTS
from harness.stats.wander import ROUNDING, SURELY
from harness.thresholds import CONFIDENCE

Floats = NDArray[np.float64]

LAGS = range(1, 4)
"""Of the autocorrelations that tell whether parts follow each other: what lasts for a quarter of
a block counts as much as what lasts for a sixteenth."""

OF_NOISE = 2 * (PARTS - 1) / 3
"""Degrees of freedom of a block's noise: neighbours' differences overlap (von Neumann 1941)."""


def _by_chance() -> tuple[float, float]:
    """Return mean and standard deviation of the autocorrelations' sum over independent parts.

    Exactly, for normal ones: a quadratic form over their sum of squares has the moments of the
    one divided by those of the other (Pitman 1937, Koopmans 1942).
    """
    centred = np.eye(PARTS) - 1 / PARTS
    lagged = sum(np.eye(PARTS, k=lag) + np.eye(PARTS, k=-lag) for lag in LAGS) / 2
    form, degrees = centred @ lagged @ centred, PARTS - 1
    mean = np.trace(form) / degrees
    variance = 2 * (np.trace(form @ form) - degrees * mean**2) / degrees / (degrees + 2)
    return float(mean), math.sqrt(variance)


MEAN, DEVIATION = _by_chance()


def course(parts: Floats) -> tuple[Floats, Floats]:
    """Return of each block, ... x parts, how its parts follow each other, and their noise.

    The one is the sum of their autocorrelations at `LAGS`, less what it is by chance, in standard
    deviations; NaN where nothing scatters. Each block has its own, for a noisy one says no more
    than a quiet one. The other is a variance: what neighbours differ by.
    """
    centred = parts - parts.mean(axis=-1, keepdims=True)
    squares = (centred**2).sum(axis=-1)
    products = sum((centred[..., lag:] * centred[..., :-lag]).sum(axis=-1) for lag in LAGS)
    with np.errstate(divide="ignore", invalid="ignore"):
        follows = np.where(squares > ROUNDING, (products / squares - MEAN) / DEVIATION, np.nan)
    return follows, (np.diff(parts, axis=-1) ** 2).mean(axis=-1) / 2


def bound(follows: Floats, noise: Floats) -> Floats:
    """Return the variance of blocks beyond which a ratio wanders, by the `course` of each.

    Both are ... x blocks, NaN where they are not known. Two things must be beyond chance. The
    parts of blocks follow each other, so that something moves the ratio while the same servers
    are up. And blocks differ by more than noise explains, so that it lasts: what comes and
    goes within a block is averaged there. Infinite where the first is not so.
    """
    known = ~np.isnan(follows)
    blocks = known.sum(axis=-1)
    surely = (blocks > 1) & (np.where(known, follows, 0.0).sum(axis=-1) > SURELY * np.sqrt(blocks))
    several = np.maximum(blocks, 2)
    explained = np.where(known, noise, 0.0).sum(axis=-1) / several / PARTS
    by_chance = special.fdtri(several - 1, OF_NOISE * several, (1 + CONFIDENCE) / 2)
    found: Floats = np.where(surely, explained * by_chance, np.inf)
    return found


def bounds(parts: Floats, counts: Sequence[int]) -> list[float]:
    """Return the `bound` of several ratios, whose `parts` in so many blocks each are in a row."""
    there = np.arange(max(counts, default=0)) < np.array(counts)[:, None]
    found = np.full((2, *there.shape), np.nan)
    found[:, there] = course(parts)
    limits: list[float] = bound(*found).tolist()
    return limits
