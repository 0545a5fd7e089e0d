"""How long requests waited for a connection of their pool: counters that others can read.

A request adds one to a bin, in memory that is shared by way of a file, so that nobody has
to ask the app: half a microsecond for each, the same for all adapters.
"""

import mmap
from array import array
from collections.abc import Sequence
from pathlib import Path

_KEPT_BITS = 6
_PER_OCTAVE = 1 << (_KEPT_BITS - 1)
_MAX_BITS = 48

BINS = (_MAX_BITS - _KEPT_BITS + 2) * _PER_OCTAVE
"""Waits below 64 ns have a bin each; then there are 32 an octave, up to three days."""

_counts: "array[int] | memoryview[int]" = array("q", bytes(8 * BINS))


def share(path: Path) -> None:
    """Keep the counts in a new file at `path` from now on."""
    global _counts
    path.write_bytes(bytes(8 * BINS))
    with path.open("r+b") as file:
        _counts = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")


def record(wait_ns: int) -> None:
    """Count a request that got its connection, or gave up, after `wait_ns`.

    Two threads may lose one of their counts to each other: one in many thousands.
    """
    shift = wait_ns.bit_length() - _KEPT_BITS
    if shift < 0:
        shift = 0
    _counts[shift * _PER_OCTAVE + (wait_ns >> shift)] += 1


def read(path: Path) -> Sequence[int]:
    """Return the `BINS` counts at `path`. Raises OSError."""
    return array("q", path.read_bytes())


def middle_ns(number: int) -> float:
    """Return the middle of bin `number`."""
    shift = max(number // _PER_OCTAVE - 1, 0)
    return ((number - shift * _PER_OCTAVE) << shift) + (1 << shift) / 2
