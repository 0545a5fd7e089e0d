"""Checks that try to prove an observation wrong. Pure: thresholds in, doubts out.

A check that fails either flags (the number stands, its doubt beside it) or makes
the cell invalid (the number is not used). Decided by what was seen of the machine
and the bookkeeping, never by how a comparison came out.
"""

from dataclasses import dataclass, replace

from harness.arrivals import fell_behind
from harness.model import Observation
from harness.thresholds import (
    DRIFT,
    GENERATOR_BUSY_FLAG,
    GENERATOR_BUSY_INVALID,
    GENERATOR_LAG_MS,
    LITTLES_LAW,
    MAX_ERROR_PCT,
    MIN_WINDOW_S,
    SCHEDULE_LAG,
)


@dataclass(frozen=True, slots=True)
class Doubts:
    """What the checks found: `flags` stand beside the number, `invalid` replaces it."""

    flags: tuple[str, ...] = ()
    invalid: tuple[str, ...] = ()


def checked(row: Observation) -> Observation:
    """Return `row` with its doubts, `invalid` when one of them is fatal.

    Only a row with outcome `ok` is checked: the others have no number to doubt.
    """
    if row.outcome != "ok":
        return row
    found = doubts(row)
    return replace(
        row,
        flags="; ".join(found.flags),
        outcome="invalid" if found.invalid else "ok",
        reason="; ".join(found.invalid),
    )


def doubts(row: Observation) -> Doubts:
    """Apply every check to one measured row."""
    flags: list[str] = []
    invalid: list[str] = []
    attempts = row.requests + row.by_class.total
    error_pct = 100 * row.by_class.total / attempts if attempts else 0.0
    edges = (row.mean_ms or 0.0) * row.slices / (1000 * row.window_s) if row.window_s else 0.0
    low, high = LITTLES_LAW[0] - edges, LITTLES_LAW[1] + edges
    # Errors answer at once or after a time-out; then latency of the good ones says nothing of N.
    countable = row.littles_law is not None and error_pct <= MAX_ERROR_PCT
    if countable and not low <= (row.littles_law or 0.0) <= high:
        invalid.append("littles_law")
    if row.generator_busy is not None:
        if row.generator_busy > GENERATOR_BUSY_INVALID:
            invalid.append("generator")
        elif row.generator_busy > GENERATOR_BUSY_FLAG:
            flags.append("generator")
    if row.lag_p99_ms is not None and row.lag_p99_ms > GENERATOR_LAG_MS:
        flags.append("lag")
    if error_pct > MAX_ERROR_PCT:
        flags.append("errors")
    if row.drift is not None and abs(row.drift - 1) > DRIFT:
        flags.append("drift")
    if row.window_s is not None and row.window_s < MIN_WINDOW_S:
        invalid.append("window")
    if row.schedule == "sequential":
        flags.append("sequential")
    if fell_behind([row]):
        flags.append("rate")
    if _behind_schedule(row):
        flags.append("schedule")
    return Doubts(tuple(flags), tuple(invalid))


def _behind_schedule(row: Observation) -> bool:
    """Whether the generator's own lateness is a part of the latencies worth naming."""
    lag_ms = row.open_loop.figures.schedule_lag_p99_ms
    latency_ms = row.latency.p99_ms or row.latency.p95_ms
    return lag_ms is not None and latency_ms is not None and lag_ms > SCHEDULE_LAG * latency_ms
