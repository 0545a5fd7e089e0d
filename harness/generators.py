"""How many generator processes a block gets. Pure.

Decided by how busy the generators were, never by how a comparison came out.
"""

import math
from collections.abc import Iterable

from harness.matrix import Load
from harness.model import Observation, Setting
from harness.thresholds import GENERATOR_BUSY_WANTED


def processes(
    load: Load,
    setting: Setting,
    earlier: Iterable[Observation],
    load_cpus: int,
    *,
    searching: bool = False,
) -> int:
    """Return how many processes share the connections of each target in a block of `setting`.

    With "auto", as many as would have kept each of them at `GENERATOR_BUSY_WANTED` in the
    busiest cell of the `earlier` blocks (one in the first), but no more than `load_cpus`.
    Never more than connections. A schedule of arrivals is one process's, and so is `searching`
    for a capacity: neither can be shared.
    """
    if setting.rate is not None or searching:
        return 1
    if load.processes != "auto":
        return min(load.processes, setting.concurrency)
    cores = max(
        (
            (row.generator_busy or 0.0) * (row.generators or 1)
            for row in earlier
            if row.key.setting == setting
        ),
        default=0.0,
    )
    wanted = math.ceil(cores / GENERATOR_BUSY_WANTED)
    return max(1, min(wanted, load_cpus, setting.concurrency))
