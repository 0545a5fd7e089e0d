"""The records that flow from a matrix to a report. Frozen: nothing is edited once recorded.

matrix -> plan (settings, cells) -> block -> observation -> summary -> report.

The fields of `Observation`, `Summary` and `Comparison`, with those of the records
inside them laid flat, are the columns of `blocks.csv`, `cells.csv` and `pairs.csv`,
in this order. None is an empty field: nothing was measured, never a zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Lane = Literal["idiomatic", "matched"]
Endpoint = Literal["users_get", "users_list", "users_insert", "books_list"]
Schedule = Literal["interleaved", "sequential"]
Outcome = Literal["ok", "invalid", "failed", "unsupported"]
Verdict = Literal["faster", "slower", "tie", "unclear", ""]
Metric = Literal["rps", "app_cpu_us"]

ERROR_CLASSES = (
    "pool_timeout",
    "too_many_clients",
    "database",
    "app",
    "timeout",
    "connect",
    "reset",
    "body",
)
"""Every way a request can fail. The first four are named by the app in `x-error`,
the others are seen by the generator."""

DEFAULT_LIMITS: Mapping[str, int] = {"users_list": 100, "books_list": 20}
"""Rows a list endpoint returns when the group names no `limit`."""


@dataclass(frozen=True, slots=True)
class Stack:
    """An adapter plus its options, under a name: the thing compared.

    `options` are complete but for what a setting sweeps: the adapter's defaults,
    its lane's preset, and what the matrix gives by hand, the later winning.
    """

    name: str
    adapter: str
    lane: Lane
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Setting:
    """One endpoint and one value of every axis: where cells are compared with each other.

    `rate` is in req/s, None for closed-loop load; `rtt_ms` is added round-trip time.
    """

    group: str
    endpoint: Endpoint
    limit: int | None
    concurrency: int
    rate: float | None
    pool_size: int
    workers: int
    rtt_ms: float


@dataclass(frozen=True, slots=True)
class Key:
    """What names a cell: its setting and its stack. Runs are matched on it."""

    group: str
    endpoint: Endpoint
    stack: str
    adapter: str
    lane: Lane
    limit: int | None
    concurrency: int
    rate: float | None
    pool_size: int
    workers: int
    rtt_ms: float

    @property
    def setting(self) -> Setting:
        """The setting this cell belongs to."""
        return Setting(
            self.group,
            self.endpoint,
            self.limit,
            self.concurrency,
            self.rate,
            self.pool_size,
            self.workers,
            self.rtt_ms,
        )


def key(setting: Setting, stack: Stack) -> Key:
    """Return the key of the cell of `stack` in `setting`."""
    return Key(
        setting.group,
        setting.endpoint,
        stack.name,
        stack.adapter,
        stack.lane,
        setting.limit,
        setting.concurrency,
        setting.rate,
        setting.pool_size,
        setting.workers,
        setting.rtt_ms,
    )


@dataclass(frozen=True, slots=True)
class Errors:
    """Failed requests by class."""

    err_pool_timeout: int
    err_too_many_clients: int
    err_database: int
    err_app: int
    err_timeout: int
    err_connect: int
    err_reset: int
    err_body: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(getattr(self, f"err_{name}") for name in ERROR_CLASSES)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a stack cost in one block, or on average over blocks.

    CPU is per good answer: the app's process tree, the database's client backends,
    the generator. Memory is the sum over the server's process tree: idle with the
    pool full before load, at the end of load, and at its peak; `db_pss_mib` is the
    stack's own backends. `connections` is the most backends it was seen to have.
    """

    app_cpu_us: float | None
    db_cpu_us: float | None
    load_cpu_us: float | None
    rss_idle_mib: float | None
    rss_end_mib: float | None
    rss_peak_mib: float | None
    pss_end_mib: float | None
    db_pss_mib: float | None
    connections: int | None


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from sending a request to its whole answer, of good answers in windows."""

    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None


@dataclass(frozen=True, slots=True)
class Observation:
    """One cell in one block: a row of `blocks.csv`.

    `block` counts the passes over the plan from 1; cells of one setting with the
    same `block` were measured together. `slices` windows of `window_s` in all.
    `drift` is req/s in the last third of the slices over that in the first, as far as
    the slices prove it (1 when they prove no change);
    `generator_busy` the share of its core the generator used in the windows,
    `lag_p99_ms` how long a ready answer waited for it. `flags` are doubts, joined by
    "; ". `reason` says why there is no number. `first_errors` is a JSON object with
    the first message of each class met, `latencies` every latency in the bins of
    `harness.histogram`. `generators` is how many processes gave the load.
    """

    key: Key
    block: int
    schedule: Schedule
    slices: int
    slice_ms: float | None
    window_s: float | None
    requests: int
    rps: float | None
    mean_ms: float | None
    latency: Latency
    by_class: Errors
    cost: Cost
    littles_law: float | None
    drift: float | None
    generator_busy: float | None
    lag_p99_ms: float | None
    outcome: Outcome
    flags: str
    reason: str
    first_errors: str
    latencies: str
    generators: int | None


@dataclass(frozen=True, slots=True)
class Summary:
    """One cell over all its blocks: a row of `cells.csv`. `rps_lo` to `rps_hi`: 95 % CI."""

    key: Key
    blocks: int
    requests: int
    rps: float | None
    rps_lo: float | None
    rps_hi: float | None
    latency: Latency
    errors: int
    error_pct: float | None
    by_class: Errors
    cost: Cost
    littles_law: float | None
    outcome: Outcome
    flags: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """One cell against its baseline in one metric: a row of `pairs.csv`.

    `ratio` is cell over baseline, with its 95 % CI. `verdict` is empty where none may
    be given. For `rps` more is better, for `app_cpu_us` less is.
    """

    key: Key
    baseline: str
    metric: Metric
    ratio: float | None
    lo: float | None
    hi: float | None
    verdict: Verdict
