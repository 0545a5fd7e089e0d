"""Checks that try to prove an observation wrong. Pure: thresholds in, doubts out.

A check that fails either flags (the number stands, its doubt beside it) or makes
the cell invalid (the number is not used). Decided by what was seen of the machine
and the bookkeeping, never by how a comparison came out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.arrivals import fell_behind
from harness.model import Observation, Work
from harness.thresholds import (
    DISTANCE_OFF,
    DRIFT,
    ERROR_PCT_FLAG,
    FOREIGN_CPU_CORES,
    GENERATOR_BUSY_FLAG,
    GENERATOR_BUSY_INVALID,
    GENERATOR_LAG_INVALID_MS,
    GENERATOR_LAG_MS,
    LITTLES_LAW,
    MAX_ERROR_PCT,
    MIN_WINDOW_S,
    SCHEDULE_LAG,
    STEAL_PCT,
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


def disturbed(rows: Sequence[Observation]) -> bool:
    """Whether the last block of `rows`, all of one setting, is worth one more.

    Other processes used the machine in it, whatever came of that: both blocks are kept.
    """
    last = max((row.block for row in rows), default=0)
    return any("foreign" in row.flags.split("; ") for row in rows if row.block == last)


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
    lag_ms = row.lag_p99_ms or 0.0
    if max(lag_ms, row.machine.generator_late_p99_ms or 0.0) > GENERATOR_LAG_INVALID_MS:
        invalid.append("lag")
    elif lag_ms > GENERATOR_LAG_MS:
        flags.append("lag")
    if (row.machine.foreign_cpu_cores or 0.0) > FOREIGN_CPU_CORES:
        flags.append("foreign")
    if (row.machine.steal_pct or 0.0) > STEAL_PCT:
        flags.append("steal")
    if error_pct > ERROR_PCT_FLAG:
        flags.append("errors")
    if row.drift is not None and abs(row.drift - 1) > DRIFT:
        flags.append("drift")
    if row.window_s is not None and row.window_s < MIN_WINDOW_S:
        invalid.append("window")
    if not _work_was_done(row.work):
        invalid.append("work")
    if _is_elsewhere(row):
        flags.append("rtt")
    if row.schedule == "sequential":
        flags.append("sequential")
    if fell_behind([row]):
        flags.append("rate")
    if _behind_schedule(row):
        flags.append("schedule")
    return Doubts(tuple(flags), tuple(invalid))


def _work_was_done(work: Work) -> bool:
    """Whether what the database counted is enough for the answers, as far as it is known."""
    return all(
        found is None or least is None or found >= least
        for found, least in (
            (work.transactions, 1.0),
            (work.scans, 1.0),
            (work.rows, work.rows_least),
            (work.rows_most, work.rows),
        )
    )


def _is_elsewhere(row: Observation) -> bool:
    """Whether the database was nearer or further away than asked, before and after the load."""
    measured_ms, asked_ms = row.distance.rtt_measured_ms, row.key.rtt_ms
    return measured_ms is not None and abs(measured_ms - asked_ms) > DISTANCE_OFF * asked_ms


def _behind_schedule(row: Observation) -> bool:
    """Whether the generator's own lateness is a part of the latencies worth naming."""
    lag_ms = row.open_loop.figures.schedule_lag_p99_ms
    latency_ms = row.latency.p99_ms or row.latency.p95_ms
    return lag_ms is not None and latency_ms is not None and lag_ms > SCHEDULE_LAG * latency_ms
