"""A cell's latencies as text: log-linear bins, few bytes, and exact to half a bin.

A report is rebuilt from `blocks.csv`, and a cell's percentiles are those of all its
latencies together (averaging percentiles of blocks gives the percentile of nothing).
So every block keeps its whole distribution: 128 bins an octave put a value within
0.4 % of where it was, in about a kilobyte. Values of one block alone are not taken
from here: they are computed from the latencies themselves.
"""

import base64
import math
import string
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

BINS_PER_OCTAVE = 128
BINS = 64 * BINS_PER_OCTAVE
"""More nanoseconds than a number of 64 bits holds have no bin."""

LONGEST = 7
"""Bytes of a number as `encode` writes it: 49 bits, more than anybody will count."""

MIDDLES_NS = 2 ** ((np.arange(BINS) + 0.5) / BINS_PER_OCTAVE)
"""What a latency in each bin is taken to be."""

AT_ONCE = 100
"""Groups of texts, of some ten blocks each as a rule: what is made of them fits a cache."""

DIGITS = string.digits + string.ascii_letters.swapcase() + "!#$%&()*+-;<=>?@^_`{|}~"
NO_DIGIT = 255
"""What any other character is worth: more than a digit."""

VALUE_OF = np.full(256, NO_DIGIT, np.uint8)
VALUE_OF[np.frombuffer(DIGITS.encode(), np.uint8)] = np.arange(len(DIGITS))
"""Base 85 as `base64.b85encode` has it: what each character is worth."""

PADDING = ("", "~~~~", "~~~", "~~", "~")
"""By how many characters a text has beyond whole words of five."""

Counts = NDArray[np.int64]
"""Counts by bin; bin b holds the latencies from `lower_ns(b)` up to `lower_ns(b + 1)`."""


def counts(latencies_ns: NDArray[np.int64]) -> Counts:
    """Return how many of `latencies_ns` (each at least 1) fall in each bin."""
    bins = np.floor(np.log2(latencies_ns) * BINS_PER_OCTAVE).astype(np.int64)
    return np.bincount(bins).astype(np.int64)


def percentile_ms(total: Counts, percent: float) -> float | None:
    """Return the latency that `percent` of them do not exceed (nearest rank), in ms."""
    return percentiles_ms(total, [percent])[0]


def percentiles_ms(total: Counts, percents: Sequence[float]) -> list[float | None]:
    """Return the latency that each of `percents` of them do not exceed, in ms."""
    so_far = np.cumsum(total)
    if not len(so_far) or not so_far[-1]:
        return [None] * len(percents)
    ranks = [max(1, math.ceil(int(so_far[-1]) * percent / 100)) for percent in percents]
    bins = np.searchsorted(so_far, ranks).tolist()
    return [2 ** ((found + 0.5) / BINS_PER_OCTAVE) / 1e6 for found in bins]


def encode(total: Counts) -> str:
    """Return `total` as one line of text; `decode` undoes it."""
    first = int(np.flatnonzero(total)[0]) if total.any() else 0
    numbers = [first, *total[first:].tolist()]
    return base64.b85encode(zlib.compress(_varints(numbers), 9)).decode("ascii")


def decode(text: str) -> Counts:
    """Undo `encode`. Raises ValueError for anything else."""
    return together([text])


def together(texts: Sequence[str]) -> Counts:
    """Return the counts of all latencies of `texts`, each made by `encode`.

    Raises ValueError when one was made by nothing of the kind.
    """
    return next(together_each([texts]))


def together_each(groups: Sequence[Sequence[str]]) -> Iterator[Counts]:
    """Yield what `together` returns for each of `groups`.

    Many are unpacked at once: byte by byte, a report's hundred thousand would take minutes.
    Not all: unpacked they take a hundred times the room.
    """
    for start in range(0, len(groups), AT_ONCE):
        yield from _together(groups[start : start + AT_ONCE])


def _together(groups: Sequence[Sequence[str]]) -> Iterator[Counts]:
    texts = [text for group in groups for text in group]
    if not texts:
        yield from (np.zeros(0, np.int64) for _ in groups)
        return
    try:
        packed = [zlib.decompress(each) for each in _from_base85(texts)]
    except zlib.error as error:
        raise ValueError(f"not a histogram: {error}") from None
    numbers, ends = _read_varints(packed)
    bounds = zip([0, *ends], ends, strict=False)
    yield from (_sum(numbers, list(islice(bounds, len(group)))) for group in groups)


def _sum(numbers: Counts, bounds: Iterable[tuple[int, int]]) -> Counts:
    """Return the sum of the histograms that stand within `bounds` of `numbers`."""
    parts = [(int(numbers[begin]), numbers[begin + 1 : end]) for begin, end in bounds]
    size = max([first + len(counted) for first, counted in parts], default=0)
    if size > BINS:
        raise ValueError(f"not a histogram: {size} bins")
    total = np.zeros(size, np.int64)
    for first, counted in parts:
        total[first : first + len(counted)] += counted
    return total


def _from_base85(texts: Sequence[str]) -> Iterator[bytes]:
    """Yield what `base64.b85decode` makes of each."""
    padded = [each + PADDING[len(each) % 5] for each in texts]
    digits = VALUE_OF[np.frombuffer("".join(padded).encode("ascii"), np.uint8)].reshape(-1, 5)
    words = digits[:, 0].astype(np.uint64)
    for place in range(1, 5):
        words = words * 85 + digits[:, place]
    if digits.max(initial=0) == NO_DIGIT or words.max(initial=0) > 0xFFFFFFFF:
        raise ValueError("not a histogram: not in base 85")
    whole = words.astype(">u4").tobytes()
    start = 0
    for text in texts:
        yield whole[start : start + len(text) * 4 // 5]
        start += (len(text) + 4) // 5 * 4


def _varints(numbers: Iterable[int]) -> bytes:
    out = bytearray()
    for number in numbers:
        while number >= 0x80:
            out.append(number & 0x7F | 0x80)
            number >>= 7
        out.append(number)
    return bytes(out)


def _read_varints(packed: Sequence[bytes]) -> tuple[Counts, list[int]]:
    """Return the numbers in `packed`, one behind the other, and where those of each end."""
    octets = np.frombuffer(b"".join(packed), np.uint8)
    ends_at = np.cumsum([len(each) for each in packed])
    if not all(packed) or (octets[ends_at - 1] >= 0x80).any():
        raise ValueError("not a histogram: it ends in the middle of a number")
    unfinished = octets >= 0x80
    more = np.flatnonzero(unfinished)
    numbers = octets[~unfinished].astype(np.int64)
    # Nearly all are of one byte; the others get their lower bits here.
    of = more - np.arange(len(more))
    begins = np.searchsorted(of, of)
    places = np.arange(len(more)) - begins
    if (places > LONGEST - 2).any():
        raise ValueError("not a histogram: a number too large")
    np.left_shift.at(numbers, of, 7)
    np.add.at(numbers, of, (octets[more] & 0x7F).astype(np.int64) << 7 * places)
    return numbers, (ends_at - np.searchsorted(more, ends_at)).tolist()
