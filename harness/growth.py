"""How a server's memory grows with the requests it has answered: of one block, and of several.

Pure. A straight line through what it held after each round of load; the first round, in which
caches fill, is where the line begins and not before it.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from scipy import special

from harness.model import Memory, MemoryBlock
from harness.thresholds import CONFIDENCE

LEAST_ROUNDS = 3
"""Two points are a line without an interval."""

KIB_PER_MIB = 1024


@dataclass(frozen=True, slots=True)
class Held:
    """What a server's processes held after a round of load, and its quiet if it had one.

    `answered` counts good answers since the server began, warm-up among them.
    """

    answered: int
    rss_mib: float | None


def of_block(rounds: Sequence[Held], workers_mib: Sequence[float], *, quiet: bool) -> MemoryBlock:
    """Return what one block tells; `workers_mib` is each worker's at the end of load."""
    known = [(each.answered, each.rss_mib) for each in rounds if each.rss_mib is not None]
    slope, lo, hi = _line(known) if len(known) == len(rounds) else (None, None, None)
    return MemoryBlock(
        Memory(
            rss_per_worker="/".join(f"{each:.1f}" for each in workers_mib),
            rss_quiet_mib=rounds[-1].rss_mib if quiet and rounds else None,
            rss_growth_kib_per_1000=slope,
            rss_growth_lo=lo,
            rss_growth_hi=hi,
        ),
        rss_rounds=orjson.dumps(known).decode() if len(known) > 1 else "",
    )


def together(blocks: Sequence[Memory]) -> Memory:
    """Return what several blocks tell: means, growth with a t interval over blocks.

    A single block's own interval, over its rounds, stands where there are no others.
    """
    growth = [each for each in blocks if each.rss_growth_kib_per_1000 is not None]
    slopes = [each.rss_growth_kib_per_1000 or 0.0 for each in growth]
    quiet = [each.rss_quiet_mib for each in blocks if each.rss_quiet_mib is not None]
    if len(growth) == 1:
        lo, hi = growth[0].rss_growth_lo, growth[0].rss_growth_hi
    else:
        lo, hi = _interval(slopes)
    return Memory(
        rss_per_worker=blocks[-1].rss_per_worker if blocks else "",
        rss_quiet_mib=statistics.fmean(quiet) if quiet else None,
        rss_growth_kib_per_1000=statistics.fmean(slopes) if slopes else None,
        rss_growth_lo=lo,
        rss_growth_hi=hi,
    )


def _line(points: Sequence[tuple[int, float]]) -> tuple[float | None, float | None, float | None]:
    """Return the slope in KiB per 1,000 answers and its interval; None without enough points."""
    if len(points) < LEAST_ROUNDS or len({answered for answered, _ in points}) < LEAST_ROUNDS:
        return None, None, None
    from scipy import stats  # half a second, for those alone who ask for rounds

    thousands = [answered / 1000 for answered, _ in points]
    found = stats.linregress(thousands, [rss_mib * KIB_PER_MIB for _, rss_mib in points])
    half = float(special.stdtrit(len(points) - 2, (1 + CONFIDENCE) / 2) * found.stderr)
    slope = float(found.slope)
    return slope, slope - half, slope + half


def _interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    if len(values) < 2:
        return None, None
    degrees = len(values) - 1
    half = float(special.stdtrit(degrees, (1 + CONFIDENCE) / 2))
    half *= statistics.stdev(values) / len(values) ** 0.5
    mean = statistics.fmean(values)
    return mean - half, mean + half
