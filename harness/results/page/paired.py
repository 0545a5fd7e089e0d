"""Every two stacks of a setting against each other, within blocks, all at once. Pure.

The same interval as `harness.stats.compare` has, for all pairs and objectives together:
a page may hold ten thousand pairs.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from harness import parts, stats
from harness.thresholds import CONFIDENCE

Floats = NDArray[np.float64]
Texts = NDArray[np.object_]

AT_ONCE = 100
"""Settings, of a few stacks each as a rule: what is made of them fits a cache."""


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


@dataclass(frozen=True, slots=True)
class Measured:
    """What the stacks of a setting measured: stacks x blocks x `names`.

    As logs, NaN where a stack has no number. `courses` is how blocks went, stacks x blocks, as
    `harness.parts` has it.
    """

    names: Sequence[str]
    logs: Floats
    courses: Texts


def paired(settings: Sequence[Measured]) -> list[Paired]:
    """Compare the stacks of each setting: those of one shape at once, for there are many."""
    places: dict[object, list[int]] = defaultdict(list)
    for place, each in enumerate(settings):
        places[tuple(each.names), each.logs.shape].append(place)
    found = {
        place: each
        for alike in places.values()
        for start in range(0, len(alike), AT_ONCE)
        for place, each in zip(
            alike[start : start + AT_ONCE],
            _paired([settings[at] for at in alike[start : start + AT_ONCE]]),
            strict=True,
        )
    }
    return [found[place] for place in range(len(settings))]


def _paired(settings: Sequence[Measured]) -> Iterator[Paired]:
    """Yield the pairs of each of `settings`, all of one shape."""
    logs = np.stack([each.logs for each in settings])
    first, second = np.triu_indices(logs.shape[1], 1)
    texts = np.stack([each.courses for each in settings])
    bounds = np.full((len(logs), len(first), logs.shape[-1]), np.inf)
    for objective, name in enumerate(settings[0].names):
        if name in parts.PLACES:
            went = parts.logs(texts.ravel().tolist(), name).reshape(*texts.shape, parts.PARTS)
            bounds[..., objective] = stats.bound(*stats.course(went[:, first] - went[:, second]))
    differences = _closed_up(logs[:, first] - logs[:, second])
    means, blocks = _means(differences)
    squares, _ = _means((differences - means[:, :, None, :]) ** 2)
    steps, _ = _means(np.diff(differences, axis=2) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        variances = squares * blocks / (blocks - 1)
        wander = (variances > bounds) | stats.wanders(steps, variances, blocks)
        worth = np.where(wander, 1, blocks)
        halves = special.stdtrit(blocks - 1.0, (1 + CONFIDENCE) / 2) * np.sqrt(variances / worth)
    for each in zip(means, np.where(blocks > 1, halves, np.nan), blocks, strict=True):
        yield Paired(first, second, *each)


def _closed_up(values: Floats) -> Floats:
    """Return `values` with the blocks that are not known behind those that are."""
    return np.take_along_axis(values, np.argsort(np.isnan(values), axis=2, kind="stable"), axis=2)


def _means(values: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Return the mean over blocks of what is known, and of how many that is."""
    known = ~np.isnan(values)
    count = known.sum(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(known, values, 0.0).sum(axis=2) / count, count


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
