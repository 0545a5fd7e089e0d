"""How the numbers were made, in a paragraph."""

from harness.ceilings import SHARE
from harness.duration import format_duration
from harness.matrix import Matrix
from harness.results import capacity, distance
from harness.results.sections.material import Material
from harness.thresholds import CONFIDENCE, LATE_MS, RATIO_DRIFT, SAME_WITHIN


def section(material: Material) -> str:
    """Return what holds for this matrix."""
    matrix = material.matrix
    run = matrix.run
    searching = any(group.slo is not None for group in matrix.groups)
    alone = (
        "One server is up at a time."
        if run.schedule == "sequential"
        else "All stacks of a setting are up at once, and load goes to one of them at a time, in "
        f"slices of {format_duration(run.slice)} or 20 median latencies in random order, so "
        "that what slows the machine slows them all."
    )
    return (
        "## How these numbers were made\n\n"
        f"{alone} A block is fresh server processes, warmed for {format_duration(run.warmup)} "
        f"and measured for {format_duration(run.measure)} a stack; blocks, not seconds, are the "
        f"sample. Intervals are {CONFIDENCE:.0%} confidence intervals over blocks (t, on logs); "
        "ratios are made within a block, then averaged. They are of this run: another hour may "
        f"move a ratio by {RATIO_DRIFT:.0%} of its distance from 1, on the log scale, besides; "
        "where `wander` stands beside one, its interval has that in it. "
        f"A verdict needs {run.min_blocks} blocks: `faster` and `slower` mean the interval lies "
        f"beyond {SAME_WITHIN:.0%}, with Holm's correction within a setting, `tie` that it lies "
        f"within. {_loops(matrix)} CPU is per good answer."
        + f" {capacity.METHOD}" * searching
        + _ceilings(matrix)
        + f" {distance.METHOD}" * any(any(group.rtt) for group in matrix.groups)
    )


def _ceilings(matrix: Matrix) -> str:
    if not any(map(matrix.ceilings_of, matrix.groups)):
        return ""
    return (
        " Two ceilings stand below the stacks and are none of them: `noop` is the same server "
        "asked for nothing that needs a database, `pgbench` the database's own tool doing the "
        f"endpoint's SQL over as many connections as a pool has. Each had {SHARE:.0%} of a "
        "stack's load, in the same slices."
    )


def _loops(matrix: Matrix) -> str:
    """Say what load is: one kind of loop, or which settings have which."""
    closed = (
        "closed-loop: each connection sends its next request when the last is answered, so "
        "req/s is capacity at that concurrency, and latency is that of a server kept busy."
    )
    scheduled = (
        "open-loop: requests are due on a Poisson schedule, the same for all stacks of a "
        "setting, whatever has been answered; a slice has time for 20 of them. Latency counts "
        "from when a request was due, its wait for a free connection included; service time "
        "from when it was written. Stacks are compared by p99: req/s is the rate for all that "
        "keep it. `lag` is how late the generator itself was, `late` counts requests written "
        f"over {LATE_MS:g} ms after they were due, `dropped` those not answered "
        f"{format_duration(matrix.run.timeout)} after."
    )
    rated = {group.rate is not None for group in matrix.groups}
    if rated == {False}:
        return f"Load is {closed}"
    if rated == {True}:
        return f"Load is {scheduled}"
    return f"Load without a rate is {closed} Load at a rate is {scheduled}"
