"""A cell's latencies as text: log-linear bins, few bytes, and exact to half a bin.

A report is rebuilt from `blocks.csv`, and a cell's percentiles are those of all its
latencies together (averaging percentiles of blocks gives the percentile of nothing).
So every block keeps its whole distribution: 128 bins an octave put a value within
0.4 % of where it was, in about a kilobyte. Values of one block alone are not taken
from here: they are computed from the latencies themselves.
"""

import base64
import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

BINS_PER_OCTAVE = 128
Counts = NDArray[np.int64]
"""Counts by bin; bin b holds the latencies from `lower_ns(b)` up to `lower_ns(b + 1)`."""


def counts(latencies_ns: NDArray[np.int64]) -> Counts:
    """Return how many of `latencies_ns` (each at least 1) fall in each bin."""
    bins = np.floor(np.log2(latencies_ns) * BINS_PER_OCTAVE).astype(np.int64)
    return np.bincount(bins).astype(np.int64)


def merged(many: Iterable[Counts]) -> Counts:
    """Return the counts of all latencies of `many` together."""
    total = np.zeros(0, dtype=np.int64)
    for each in many:
        longer, shorter = (total, each) if len(total) >= len(each) else (each, total)
        total = longer.copy()
        total[: len(shorter)] += shorter
    return total


def percentile_ms(total: Counts, percent: float) -> float | None:
    """Return the latency that `percent` of them do not exceed (nearest rank), in ms."""
    number = int(total.sum())
    if number == 0:
        return None
    rank = max(1, int(np.ceil(number * percent / 100)))
    found = int(np.searchsorted(np.cumsum(total), rank))
    return float(2 ** ((found + 0.5) / BINS_PER_OCTAVE)) / 1e6


def encode(total: Counts) -> str:
    """Return `total` as one line of text; `decode` undoes it."""
    first = int(np.flatnonzero(total)[0]) if total.any() else 0
    numbers = [first, *(int(count) for count in total[first:])]
    return base64.b85encode(zlib.compress(_varints(numbers), 9)).decode("ascii")


def decode(text: str) -> Counts:
    """Undo `encode`. Raises ValueError for anything else."""
    try:
        packed = zlib.decompress(base64.b85decode(text))
    except zlib.error as error:
        raise ValueError(f"not a histogram: {error}") from None
    first, *rest = _read_varints(packed)
    return np.concatenate([np.zeros(first, np.int64), np.array(rest, np.int64)])


def _varints(numbers: Iterable[int]) -> bytes:
    out = bytearray()
    for number in numbers:
        while number >= 0x80:
            out.append(number & 0x7F | 0x80)
            number >>= 7
        out.append(number)
    return bytes(out)


def _read_varints(packed: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            number, shift = 0, 0
    if not numbers or shift:
        raise ValueError("not a histogram: it ends in the middle of a number")
    return numbers
