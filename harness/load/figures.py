"""What an open loop has to tell beside latencies, in figures. Pure."""

import numpy as np
from numpy.typing import NDArray

from harness.load.job import Arrivals, TargetAnswer
from harness.model import OpenLoop
from harness.thresholds import LATE_MS, P99_MIN_REQUESTS


def open_loop(answer: TargetAnswer) -> OpenLoop | None:
    """Return the figures of `answer`; None when it had a closed loop."""
    arrivals = answer.arrivals
    if arrivals is None:
        return None
    service_ns = values(arrivals.service_ns)
    enough = len(service_ns) >= P99_MIN_REQUESTS
    return OpenLoop(
        offered_rps=arrivals.due / (arrivals.stretches_ns / 1e9),
        service_p50_ms=percentile_ms(service_ns, 50),
        service_p99_ms=percentile_ms(service_ns, 99) if enough else None,
        schedule_lag_p99_ms=percentile_ms(values(arrivals.lags_ns), 99),
        late=_late(arrivals),
        dropped=answer.errors.get("timeout", 0),
    )


def values(packed: bytes) -> NDArray[np.int64]:
    """Return the numbers of a job's answer."""
    return np.frombuffer(packed, "<i8").astype(np.int64)


def percentile_ms(values_ns: NDArray[np.int64], percent: float) -> float | None:
    """Return the exact percentile (nearest rank); None of nothing."""
    if not len(values_ns):
        return None
    return float(np.percentile(values_ns, percent, method="inverted_cdf")) / 1e6


def _late(arrivals: Arrivals) -> int:
    delays_ns = np.concatenate([values(arrivals.lags_ns), values(arrivals.waits_ns)])
    return int((delays_ns > LATE_MS * 1e6).sum()) + arrivals.unsent
