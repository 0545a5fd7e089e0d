"""What cells are compared in."""

import operator
from collections.abc import Callable, Mapping, Sequence

from harness.model import Metric, Observation, Setting

CLOSED_LOOP: tuple[Metric, ...] = ("rps", "app_cpu_us")
OPEN_LOOP: tuple[Metric, ...] = ("p99_ms", "app_cpu_us")
"""What cells are compared in, the primary metric first. In an open loop req/s is the rate."""

MORE_IS_BETTER: Mapping[Metric, bool] = {"rps": True, "app_cpu_us": False, "p99_ms": False}
METRICS: Mapping[Metric, Callable[[Observation], float | None]] = {
    "rps": operator.attrgetter("rps"),
    "app_cpu_us": operator.attrgetter("cost.app_cpu_us"),
    "p99_ms": operator.attrgetter("latency.p99_ms"),
}


def metrics(setting: Setting) -> tuple[Metric, ...]:
    """Return what the cells of `setting` are compared in, the primary metric first."""
    return CLOSED_LOOP if setting.rate is None else OPEN_LOOP


def by_block(rows: Sequence[Observation], metric: Metric) -> dict[int, float]:
    """Return the metric of each block that has a number."""
    get = METRICS[metric]
    return {
        row.block: value for row in rows if row.outcome == "ok" and (value := get(row)) is not None
    }
