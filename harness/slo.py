"""A service-level objective: what a percentile of the latencies must stay under, `p99 < 50ms`."""

import json
import re
from dataclasses import dataclass

from harness.duration import format_duration, parse_duration

PERCENTS = (50, 90, 95, 99)
"""Those that the tables have a column for."""

_SHAPE = re.compile(r"\s*p(\d+)\s*<(.*)", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Slo:
    """`percent` of the answers come within less than `limit_s` seconds."""

    percent: int
    limit_s: float

    @property
    def limit_ns(self) -> float:
        """The limit in nanoseconds."""
        return self.limit_s * 1e9

    def __str__(self) -> str:
        return f"p{self.percent} < {format_duration(self.limit_s)}"


def parse_slo(text: str) -> Slo:
    """Return the objective that `text` says; `str` undoes it. Raises ValueError for anything else.

    `p` and one of `PERCENTS`, `<`, a duration above zero; spaces do not matter.
    """
    match = _SHAPE.fullmatch(text)
    if match is None or int(match[1]) not in PERCENTS:
        percents = ", ".join(f"p{each}" for each in PERCENTS)
        shown = json.dumps(text if len(text) <= 60 else text[:57] + "...", ensure_ascii=False)
        raise ValueError(
            f'expected an SLO such as "p99 < 50ms" (one of {percents}, < and a duration), '
            f"got {shown}"
        )
    limit_s = parse_duration(match[2])
    if limit_s <= 0:
        raise ValueError("expected a duration above zero, got 0")
    return Slo(int(match[1]), limit_s)
