"""What an open loop tells beside latencies."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """What an open loop (`rate`) tells beside latencies; all None in a closed one.

    `offered_rps` is what the schedule asked for: near the rate, for arrivals are random.
    Service times count from the moment a request was written. `schedule_lag_p99_ms` is how
    late the generator itself wrote those that found a connection free. `late` requests were
    written over `harness.thresholds.LATE_MS` after they were due, or never; `dropped` ones
    had no answer within the timeout since then.
    """

    offered_rps: float | None
    service_p50_ms: float | None
    service_p99_ms: float | None
    schedule_lag_p99_ms: float | None
    late: int | None
    dropped: int | None


@dataclass(frozen=True, slots=True)
class OpenLoopBlock:
    """The figures of one block, and the whole distributions behind them, as `latencies` has."""

    figures: OpenLoop
    service_latencies: str
    schedule_lags: str
