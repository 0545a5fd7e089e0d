"""A cell's req/s and CPU in each sixteenth of a block's slices, as text, and back.

What they are by themselves is the machine's. But stacks take turns, so that the same part
of two of them is nearly the same time, and whether their ratio stays the same from part to part
tells a machine that favours now one and now the other from one that is only noisy.

As text: each in per mille of their mean, in the order of time, `1013 987 995 ...`.
"""

from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from harness.load.job import Slice
from harness.model import Parts

PARTS = 16
"""So few that a part of a block of four seconds holds several slices, whose scatter would else
hide all; so many that what lasts for a second or two is seen."""


def of(slices: Sequence[Slice]) -> Parts:
    """Return the parts of a closed loop's slices."""
    if len(slices) < PARTS:
        return Parts()
    starts = np.arange(PARTS) * len(slices) // PARTS
    windows, answers = (
        np.add.reduceat([getattr(each, name) for each in slices], starts)
        for name in ("window_ns", "requests")
    )
    if not (windows.all() and answers.all()):
        return Parts()
    spent = [each.app_cpu_ns for each in slices if each.app_cpu_ns is not None]
    known = len(spent) == len(slices)
    cpu = np.add.reduceat(spent, starts) / answers if known else np.zeros(PARTS)
    return Parts(_text(answers / windows), _text(cpu) if cpu.all() else "")


def logs(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the logs of what `of` wrote, texts x parts, up to a number for each text.

    NaN for an empty one. Raises ValueError for anything else.
    """
    found = np.full((len(texts), PARTS), np.nan)
    known = [text for text in texts if text]
    if known:
        found[list(map(bool, texts))] = np.log(_numbers(known))
    return found


def _numbers(texts: Sequence[str]) -> NDArray[np.int64]:
    """Return the numbers of `texts`: as JSON, for a report may have a hundred thousand."""
    try:
        values = np.array(orjson.loads(f"[{' '.join(texts).replace(' ', ',')}]"))
    except orjson.JSONDecodeError:
        values = np.zeros(1)
    whole = values.dtype.kind == "i" and (values > 0).all()
    if not whole or any(text.count(" ") != PARTS - 1 for text in texts):
        raise ValueError(f"not the parts of a block: expected {PARTS} whole numbers above 0")
    return values.reshape(-1, PARTS)


def _text(values: NDArray[np.float64]) -> str:
    per_mille = np.maximum(1, np.rint(1000 * values / values.mean())).astype(int)
    return " ".join(map(str, per_mille.tolist()))
