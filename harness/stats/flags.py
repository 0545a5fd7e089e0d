"""The doubts about a cell's blocks, told together."""

import operator
from collections import Counter
from collections.abc import Sequence

from harness.model import Observation

_said = operator.attrgetter("outcome", "flags", "reason")


def flags(rows: Sequence[Observation]) -> str:
    """Return each doubt once, with its number of blocks when not all had it, and the reasons.

    Beside a number, a reason is that of a block left out of it, and says so.
    """
    counts: Counter[str] = Counter()
    number = any(row.outcome == "ok" for row in rows)
    for (outcome, doubts, reason), count in Counter(map(_said, rows)).items():
        why = f"{outcome}: {reason}" if number and reason else reason
        for doubt in filter(None, (*doubts.split("; "), why)):
            counts[doubt] += count
    return "; ".join(
        doubt if count == len(rows) else f"{doubt} ({count} of {len(rows)} blocks)"
        for doubt, count in sorted(counts.items())
    )
