"""The generator's answer and the processes' costs -> one observation. Pure."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import orjson
from numpy.typing import NDArray
from scipy import special

from harness import arrivals, histogram, parts, probes
from harness.load.job import Searched, Slice, TargetAnswer
from harness.model import (
    ERROR_CLASSES,
    Capacity,
    Cost,
    Errors,
    Key,
    Latency,
    Machine,
    Observation,
    Outcome,
    Schedule,
    Work,
)
from harness.thresholds import CONFIDENCE, P99_MIN_REQUESTS

NO_COST = Cost(None, None, None, None, None, None, None, None, None)
NO_LATENCY = Latency(None, None, None, None, None)
NO_ERRORS = Errors(*(0 for _ in ERROR_CLASSES))
NO_MACHINE = Machine(None, None, None, None, None, None, None)
NO_WORK = Work(None, None, None, None, None)
REASON_CHARS_MAX = 500
"""A reason stands in tables; the whole of a server's last words does not belong there."""

SLICES_FOR_DRIFT = 6
"""Fewer slices have no thirds worth comparing."""


def unmeasured(
    key: Key, block: int, schedule: Schedule, outcome: Outcome, reason: str
) -> Observation:
    """Return the row of a cell that has no numbers in this block, with the reason."""
    return Observation(
        key=key,
        block=block,
        schedule=schedule,
        slices=0,
        slice_ms=None,
        window_s=None,
        requests=0,
        rps=None,
        mean_ms=None,
        latency=NO_LATENCY,
        by_class=NO_ERRORS,
        cost=NO_COST,
        littles_law=None,
        drift=None,
        generator_busy=None,
        lag_p99_ms=None,
        outcome=outcome,
        flags="",
        reason=" ".join(reason.split())[:REASON_CHARS_MAX],
        first_errors="",
        latencies="",
        machine=NO_MACHINE,
        work=NO_WORK,
        open_loop=arrivals.CLOSED_BLOCK,
        generators=None,
    )


def measured(
    key: Key,
    block: int,
    schedule: Schedule,
    answer: TargetAnswer,
    *,
    slice_s: float,
    lag_p99_ns: int | None,
    memory: Cost,
    machine: Machine = NO_MACHINE,
    generators: int = 1,
) -> Observation:
    """Return the row of a cell that had load.

    `memory` holds what was read of the processes around the load; the CPU fields
    are filled here, from the clocks the generator read at each window's ends. What the
    database counted is known only when the servers have gone: see `harness.work`.
    """
    latencies_ns = np.frombuffer(answer.latencies_ns, "<i8").astype(np.int64)
    window_s = sum(each.window_ns for each in answer.slices) / 1e9
    requests = len(latencies_ns)
    by_class = Errors(*(answer.errors.get(name, 0) for name in ERROR_CLASSES))
    searched = answer.searched
    if searched is not None and searched.concurrency is None:
        row = unmeasured(key, block, schedule, "failed", searched.reason)
        tried = Capacity(capacity_probes=probes.encode(searched.probes))
        row = replace(row, machine=machine, capacity=tried)
        return replace(row, by_class=by_class, first_errors=_messages(answer))
    hung = key.rate is None and not requests and not by_class.total
    if not window_s or hung:
        said = "; ".join(f"{name}: {text}" for name, text in sorted(answer.messages.items()))
        reason = said or "no answer within any window"
        row = unmeasured(key, block, schedule, "failed", reason)
        return replace(row, by_class=by_class, first_errors=_messages(answer), machine=machine)
    rps = requests / window_s
    closed = key.rate is None
    concurrency = key.concurrency if searched is None else searched.concurrency
    assert concurrency is not None
    mean_ms = float(latencies_ns.mean()) / 1e6 if requests else None
    return Observation(
        key=key,
        block=block,
        schedule=schedule,
        slices=len(answer.slices),
        slice_ms=slice_s * 1000,
        window_s=window_s,
        requests=requests,
        rps=rps,
        mean_ms=mean_ms,
        latency=_latency(latencies_ns),
        by_class=by_class,
        cost=_with_cpu(memory, answer.slices, requests),
        # With a schedule, neither the number under way nor the rate is the server's.
        littles_law=rps * mean_ms / 1000 / concurrency if closed and mean_ms else None,
        drift=_drift(answer.slices) if closed else None,
        generator_busy=_busy(answer, window_s),
        lag_p99_ms=None if lag_p99_ns is None else lag_p99_ns / 1e6,
        outcome="ok",
        flags="",
        reason="",
        first_errors=_messages(answer),
        latencies=histogram.encode(histogram.counts(latencies_ns)) if requests else "",
        machine=machine,
        work=NO_WORK,
        open_loop=arrivals.of_block(answer),
        generators=generators,
        capacity=_capacity(searched, rps),
        parts=parts.of(answer.slices) if closed else "",
    )


def _capacity(searched: Searched | None, rps: float) -> Capacity:
    if searched is None:
        return Capacity()
    return Capacity(rps, searched.concurrency, searched.limit, probes.encode(searched.probes))


def _busy(answer: TargetAnswer, window_s: float) -> float | None:
    """Return the share of its core that a generator used, the busiest of several."""
    if answer.generator_busy is not None:
        return answer.generator_busy
    return _per(answer.slices, "load_cpu_ns", window_s * 1e9)


def _latency(latencies_ns: NDArray[np.int64]) -> Latency:
    """Exact percentiles (nearest rank) of one block's latencies."""
    if not len(latencies_ns):
        return NO_LATENCY
    p50, p90, p95, p99, most = (
        float(each) / 1e6
        for each in np.percentile(latencies_ns, [50, 90, 95, 99, 100], method="inverted_cdf")
    )
    return Latency(p50, p90, p95, p99 if len(latencies_ns) >= P99_MIN_REQUESTS else None, most)


def _with_cpu(memory: Cost, slices: Sequence[Slice], requests: int) -> Cost:
    return Cost(
        app_cpu_us=_per(slices, "app_cpu_ns", requests * 1000),
        db_cpu_us=_per(slices, "db_cpu_ns", requests * 1000),
        load_cpu_us=_per(slices, "load_cpu_ns", requests * 1000),
        rss_idle_mib=memory.rss_idle_mib,
        rss_end_mib=memory.rss_end_mib,
        rss_peak_mib=memory.rss_peak_mib,
        pss_end_mib=memory.pss_end_mib,
        db_pss_mib=memory.db_pss_mib,
        connections=memory.connections,
    )


def _per(slices: Sequence[Slice], clock: str, divisor: float) -> float | None:
    spent = [getattr(each, clock) for each in slices]
    if not divisor or any(each is None for each in spent):
        return None
    return float(sum(spent) / divisor)


def _drift(slices: Sequence[Slice]) -> float | None:
    """Return the least change from the first to the last third of the slices that they prove.

    It is the bound nearest to 1 of the Welch interval of req/s in the last third over that
    in the first, and 1 where that interval holds 1: single slices scatter by more than any
    trend worth a word. None with too few slices, or one without a good answer.
    """
    third = len(slices) // 3
    first, last = _log_rates(slices[:third]), _log_rates(slices[-third:])
    if len(slices) < SLICES_FOR_DRIFT or first is None or last is None:
        return None
    change = float(last.mean() - first.mean())
    proven = max(0.0, abs(change) - _welch_half_width(first, last))
    return math.exp(math.copysign(proven, change))


def _welch_half_width(first: NDArray[np.float64], last: NDArray[np.float64]) -> float:
    """Return half the interval of a difference of means whose variances differ (Welch 1947)."""
    shares = [float(each.var(ddof=1)) / len(each) for each in (first, last)]
    if not sum(shares):
        return 0.0
    degrees = sum(shares) ** 2 / sum(
        share**2 / (len(each) - 1) for share, each in zip(shares, (first, last), strict=True)
    )
    return float(special.stdtrit(degrees, (1 + CONFIDENCE) / 2)) * math.sqrt(sum(shares))


def _log_rates(slices: Sequence[Slice]) -> NDArray[np.float64] | None:
    if not all(each.window_ns and each.requests for each in slices):
        return None
    return np.log([each.requests / each.window_ns for each in slices])


def _messages(answer: TargetAnswer) -> str:
    if not answer.messages:
        return ""
    return orjson.dumps(dict(answer.messages), option=orjson.OPT_SORT_KEYS).decode()
