"""A cell's req/s and CPU in each sixteenth of a block's slices, as text, and back.

What they are by themselves is the machine's. But stacks take turns, so that the same part
of two of them is nearly the same time, and whether their ratio stays the same from part to part
tells a machine that favours now one and now the other from one that is only noisy.

As text: a digit of base 85 (`harness.histogram`) for each part in the order of time, by how many
per cent it lies above their (geometric) mean, `MIDDLE` being none; req/s, then CPU a request where
that is known. That is fine enough: parts of a quarter of a second scatter by some per cent.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.histogram import DIGITS, NO_DIGIT, VALUE_OF
from harness.load.job import Slice

PARTS = 16
"""So few that a part of a block of four seconds holds several slices, whose scatter would else
hide all; so many that what lasts for a second or two is seen."""

MIDDLE = len(DIGITS) // 2
STEP = 0.01
"""On the log scale, so that digits reach from 0.66 to 1.52 times the mean; the last stand for
what lies beyond."""

PLACES: Mapping[str, slice] = {"rps": slice(PARTS), "app_cpu_us": slice(PARTS, 2 * PARTS)}
"""Where each figure stands; others have no parts."""


def of(slices: Sequence[Slice]) -> str:
    """Return the parts of a closed loop's slices; nothing of fewer slices, or where one is idle."""
    if len(slices) < PARTS:
        return ""
    starts = np.arange(PARTS) * len(slices) // PARTS
    windows, answers = (
        np.add.reduceat([getattr(each, name) for each in slices], starts)
        for name in ("window_ns", "requests")
    )
    if not (windows.all() and answers.all()):
        return ""
    spent = [each.app_cpu_ns for each in slices if each.app_cpu_ns is not None]
    known = len(spent) == len(slices)
    cpu = np.add.reduceat(spent, starts) / answers if known else np.zeros(PARTS)
    return _text(answers / windows) + (_text(cpu) if cpu.all() else "")


def logs(texts: Sequence[str], figure: str) -> NDArray[np.float64]:
    """Return the logs of a `figure` of `PLACES` in what `of` wrote, texts x parts, less their mean.

    NaN where it is not known. Raises ValueError for anything else.
    """
    if not {0, PARTS, 2 * PARTS}.issuperset(map(len, texts)):
        raise ValueError("not the parts of a block: not as many digits")
    found = np.full((len(texts), PARTS), np.nan)
    figures = [text[PLACES[figure]] for text in texts]
    joined = "".join(figures)
    digits = VALUE_OF[np.frombuffer(joined.encode("latin-1", "ignore"), np.uint8)]
    if len(digits) != len(joined) or digits.max(initial=0) == NO_DIGIT:
        raise ValueError("not the parts of a block: not in base 85")
    found[list(map(bool, figures))] = digits.reshape(-1, PARTS) * STEP
    return found


def _text(values: NDArray[np.float64]) -> str:
    found = np.log(values)
    steps = np.rint((found - found.mean()) / STEP).astype(int) + MIDDLE
    return "".join(DIGITS[each] for each in np.clip(steps, 0, len(DIGITS) - 1))
