"""One cell block by block."""

import operator
from collections.abc import Sequence

from harness import arrivals
from harness.model import Observation, Sample

_figures = operator.attrgetter(
    "block",
    "rps",
    "latency.p95_ms",
    "latency.p99_ms",
    "cost.app_cpu_us",
    "cost.rss_peak_mib",
    "parts",
)


def sample(rows: Sequence[Observation]) -> Sample:
    """Return what the blocks of a cell with a number measured."""
    figures = [_figures(row) for row in rows if row.outcome == "ok"]
    blocks, rps, p95_ms, p99_ms, app_cpu_us, rss_peak_mib, parts = (
        zip(*figures, strict=True) if figures else [()] * 7
    )
    return Sample(
        blocks,
        rps,
        p95_ms,
        p99_ms,
        app_cpu_us,
        rss_peak_mib,
        parts,
        fell_behind=arrivals.fell_behind(rows),
    )
