"""The records that flow from a matrix to a report. Frozen: nothing is edited once recorded.

matrix -> plan (settings, cells) -> block -> observation -> summary -> report.

The fields of `Observation`, `Summary` and `Comparison`, with those of the records
inside them laid flat, are the columns of `blocks.csv`, `cells.csv` and `pairs.csv`,
in this order. None is an empty field: nothing was measured, never a zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Via = Literal["pgbouncer"]
Lane = Literal["idiomatic", "matched"]
Endpoint = Literal["users_get", "users_list", "users_insert", "books_list"]
Schedule = Literal["interleaved", "sequential"]
Outcome = Literal["ok", "invalid", "failed", "unsupported"]
Verdict = Literal["faster", "slower", "tie", "unclear", ""]
Metric = Literal["rps", "app_cpu_us", "p99_ms"]
CapacityLimit = Literal["", "slo", "connections", "time"]

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
    its lane's preset, and what the matrix gives by hand, the later winning. `via` is what
    stands between it and the database.
    """

    name: str
    adapter: str
    lane: Lane
    options: Mapping[str, object]
    via: Via | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """One endpoint and one value of every axis: where cells are compared with each other.

    `rate` is in req/s, None for closed-loop load; `rtt_ms` is added round-trip time;
    `options` names the value of every adapter option that the group sweeps.
    """

    group: str
    endpoint: Endpoint
    limit: int | None
    concurrency: int
    rate: float | None
    pool_size: int
    workers: int
    rtt_ms: float
    options: str = ""


@dataclass(frozen=True)
class Key:
    """What names a cell: its setting and its stack. Runs are matched on it.

    It has no slots: a report asks the same few keys for their setting, and finds cells by
    them, for every row. Both are made once.
    """

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
    options: str = ""

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.setting, self.stack, self.adapter, self.lane))

    @cached_property
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
            self.options,
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
        setting.options,
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
        return (
            self.err_pool_timeout
            + self.err_too_many_clients
            + self.err_database
            + self.err_app
            + self.err_timeout
            + self.err_connect
            + self.err_reset
            + self.err_body
        )


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
    """Milliseconds from when a request was due to its whole answer, of good answers in windows."""

    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None


@dataclass(frozen=True, slots=True)
class Machine:
    """What the machine did around a block's load, whoever made it do so.

    `foreign_cpu_cores` is CPU time of processes that are not the run's, over wall time;
    `steal_pct` machine time that the hypervisor gave to others; `pressure_pct` the time in
    which some process waited for a CPU; `load_average` that of the minute before the block.
    The probe is a fixed piece of work: CPU time and wall time it took after the load over
    before. `generator_late_p99_ms` is how late the generator's timer was served.
    All stacks that were up at the same time have the same values.
    """

    foreign_cpu_cores: float | None
    steal_pct: float | None
    pressure_pct: float | None
    load_average: float | None
    probe_cpu_ratio: float | None
    probe_wall_ratio: float | None
    generator_late_p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Work:
    """What the database did by its own count, for each good answer of a whole block.

    `transactions` are commits and rollbacks, `scans` how often the endpoint's table was
    read (None for an insert), `rows` those it read, or inserted. There must be at least
    `rows_least`, and for an insert at most `rows_most`: one each, and those of failed requests.
    """

    transactions: float | None
    scans: float | None
    rows: float | None
    rows_least: float | None
    rows_most: float | None


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


@dataclass(frozen=True, slots=True)
class Capacity:
    """The capacity under an SLO that was found in one block; nothing in other cells.

    `capacity_rps` is the block's `rps`, measured over `capacity_concurrency` connections.
    `capacity_limit` says why there was no looking for more: the `slo` broke above, there
    were no more `connections` to try, or no `time`; with these two it is at least this.
    `capacity_probes` is the way there, as `harness.probes` writes it.
    """

    capacity_rps: float | None = None
    capacity_concurrency: int | None = None
    capacity_limit: CapacityLimit = ""
    capacity_probes: str = ""


@dataclass(frozen=True, slots=True)
class CapacitySummary:
    """The capacity of a cell over its blocks: the mean with its 95 % CI.

    `capacity_concurrency` is the median; `capacity_limit` is `slo` when it was in every block.
    """

    capacity_rps: float | None = None
    capacity_rps_lo: float | None = None
    capacity_rps_hi: float | None = None
    capacity_concurrency: int | None = None
    capacity_limit: CapacityLimit = ""


@dataclass(frozen=True, slots=True)
class Distance:
    """The round trips that were added to the database's own (`rtt_ms`); nothing where none were.

    `rtt_measured_ms` is the mean of pings before and after the load; `rtt_loaded_ms` adds by how
    much more the relay was late in the load, on the way there and back, than while pinged.
    """

    rtt_measured_ms: float | None = None
    rtt_loaded_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Wire:
    """What one warm request of a cell said to its database, counted once in a run.

    `round_trips` is how often it had to wait for an answer (`harness.wire.conversation`).
    """

    round_trips: float | None = None


@dataclass(frozen=True, slots=True)
class Pooler:
    """What the process between a stack and its database cost; None where there is none.

    `via_cpu_us` is its CPU for each good answer of a block, warm-up included.
    """

    via_cpu_us: float | None = None


@dataclass(frozen=True, slots=True)
class Connections:
    """What a stack's connections were seen to do under load, its own and those of its pools.

    The peaks are the most backends in one state at once. `last_statement` is what most of the
    idle ones had done last, by its first word; others that are common follow after "; ". The
    wait is that of a request for a connection of its pool, however it ended. `worker_split`
    is how many connections of clients each of several workers had, as `29/19`.
    """

    connections_active: int | None = None
    connections_idle: int | None = None
    connections_idle_in_transaction: int | None = None
    last_statement: str = ""
    pool_wait_mean_ms: float | None = None
    pool_wait_p99_ms: float | None = None
    worker_split: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionsBlock:
    """The figures of one block, and what they are made of.

    `last_statements` is a JSON object of how often each was seen; `pool_waits` as `latencies`.
    """

    figures: Connections = Connections()
    last_statements: str = ""
    pool_waits: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a server held in memory beyond its `Cost`, and how that grew with its answers.

    `rss_per_worker` is each worker's at the end of load, as `60.9/61.3`; `rss_quiet_mib` the
    process tree's after the quiet that a group asked for. The growth is the slope over
    several rounds of load on the same server, with its 95 % interval.
    """

    rss_per_worker: str = ""
    rss_quiet_mib: float | None = None
    rss_growth_kib_per_1000: float | None = None
    rss_growth_lo: float | None = None
    rss_growth_hi: float | None = None


@dataclass(frozen=True, slots=True)
class MemoryBlock:
    """The figures of one block, and the rounds behind them.

    `rss_rounds` is a JSON list of (good answers so far, resident MiB), one for each round.
    """

    figures: Memory = Memory()
    rss_rounds: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """One cell in one block: a row of `blocks.csv`.

    `block` counts the blocks of a setting from 1; cells of one setting with the
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
    machine: Machine
    work: Work
    open_loop: OpenLoopBlock
    generators: int | None
    capacity: Capacity = Capacity()
    distance: Distance = Distance()
    wire: Wire = Wire()
    pooler: Pooler = Pooler()
    connections: ConnectionsBlock = ConnectionsBlock()
    memory: MemoryBlock = MemoryBlock()


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
    open_loop: OpenLoop
    capacity: CapacitySummary = CapacitySummary()
    distance: Distance = Distance()
    wire: Wire = Wire()
    pooler: Pooler = Pooler()
    connections: Connections = Connections()
    memory: Memory = Memory()


@dataclass(frozen=True, slots=True)
class Comparison:
    """One cell against its baseline in one metric: a row of `pairs.csv`.

    `ratio` is cell over baseline, with its 95 % CI. `verdict` is empty where none may
    be given. For `rps` more is better, for the others less is. `rps` is compared in closed
    loops only, `p99_ms` in open loops only: there the rate is the same for all that keep it.
    """

    key: Key
    baseline: str
    metric: Metric
    ratio: float | None
    lo: float | None
    hi: float | None
    verdict: Verdict
    flags: str
