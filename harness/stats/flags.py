"""The doubts about a cell's blocks, told together."""

from collections import defaultdict
from collections.abc import Sequence

from harness.model import Observation


def flags(rows: Sequence[Observation]) -> str:
    """Return each doubt once, with its number of blocks when not all had it, and the reasons.

    Beside a number, a reason is that of a block left out of it, and says so.
    """
    counts: dict[str, int] = defaultdict(int)
    number = any(row.outcome == "ok" for row in rows)
    for row in rows:
        reason = f"{row.outcome}: {row.reason}" if number and row.reason else row.reason
        for doubt in filter(None, (*row.flags.split("; "), reason)):
            counts[doubt] += 1
    return "; ".join(
        doubt if count == len(rows) else f"{doubt} ({count} of {len(rows)} blocks)"
        for doubt, count in sorted(counts.items())
    )
