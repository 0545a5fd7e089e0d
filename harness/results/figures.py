"""What the figures of a cell read like: its rate, its ratio, its verdict. Pure."""

import math

from harness import stats
from harness.counted import counted
from harness.model import Comparison, Summary
from harness.results import capacity
from harness.results.gfm import DASH
from harness.results.tables import round_to, supported_places
from harness.sentences import ratio_text


def rate_text(cell: Summary) -> str:
    """Return req/s to the digits its interval supports, with half its width in per cent."""
    places = supported_places(cell.rps, cell.rps_lo, cell.rps_hi)
    rate = round_to(cell.rps, places)
    if rate is None:
        return DASH
    text = f"{'at least ' * capacity.at_least(cell)}{rate:,}"
    if cell.rps and cell.rps_lo is not None and cell.rps_hi is not None:
        text += f" {_spread(50 * (cell.rps_hi - cell.rps_lo) / cell.rps)}"
    return text


def against_text(pair: Comparison) -> str:
    """Return the ratio to the baseline."""
    return DASH if pair.ratio is None else ratio_text(pair.ratio, pair.lo, pair.hi)


def verdict_text(pair: Comparison, blocks: int) -> str:
    """Return the verdict; for an unclear one also how many more blocks it would likely take.

    Not of a ratio that wanders: more blocks of the same run hardly tell.
    """
    if pair.verdict != "unclear" or not (pair.ratio and pair.lo and pair.hi):
        return pair.verdict
    if "wander" in pair.flags.split("; "):
        return pair.verdict
    more = stats.blocks_to_go(pair.ratio, math.log(pair.hi / pair.lo) / 2, blocks)
    return f"unclear ({counted(more, 'more block')})"


def _spread(half_pct: float) -> str:
    """Return half an interval's width to two digits; past 100 % it says nothing more."""
    if half_pct > 100:
        return "±>100 %"
    if 0 < half_pct < 0.01:  # digits of a float, not of a measurement
        return "±<0.01 %"
    return f"±{half_pct:.0f} %" if half_pct >= 10 else f"±{half_pct:.2g} %"
