"""What the generator process is told and what it answers: one JSON document each way.

Records only, and their JSON. Both ends of the pipe use this module, so it imports
nothing of the harness but records, and nothing slow to start.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from harness.load.capacity import Probe
from harness.load.pace import Pace
from harness.model import CapacityLimit
from harness.slo import Slo


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP/1.1 request as it goes over the wire, and the answer that is right.

    `raw` is head and body (see `harness.load.http.request_bytes`). `body` is None when
    the answer may vary, as an insert's does: any complete answer of `status` is good then.
    """

    raw: bytes
    status: int
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Target:
    """A server to load: `connections` are opened once and live as long as the job.

    With an SLO they are the most to open, each when it is needed first.
    Each connection sends `requests` in turn, beginning at a different one.
    `pids` are the server's process tree, whose CPU clocks are read with each slice.
    `share` is how much of the job's warm-up and measuring time it gets.
    """

    name: str
    host: str
    port: int
    connections: int
    requests: tuple[Request, ...]
    pids: tuple[int, ...] = ()
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class PgbenchTarget:
    """A target that pgbench loads, which `argv` starts; its password is in the environment.

    It runs until it is told to end, over `connections`, and writes a line a transaction to
    files in `folder` whose names begin with "log". `share` as of a `Target`.
    """

    name: str
    argv: tuple[str, ...]
    connections: int
    folder: str
    share: float


@dataclass(frozen=True, slots=True)
class Seat:
    """The place of a process among several generators: the leader's, or a follower's.

    `descriptors` are inherited ends of socket pairs: one to each follower, or the leader's.
    """

    leads: bool
    descriptors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """Load for several targets, given to one at a time in slices.

    `warmup_s` and `measure_s` are per target. `rounds` holds orders of target indices,
    one per round of slices, used from the first on in warm-up and again in measuring,
    and from the start again when they run out. `slice_s` is the least length of a slice.
    `postmaster_pid` is the database whose CPU is charged to the target under load, but for
    its backends in `uncounted_pids`.
    `seed` decides which answers are compared byte by byte. With a `pace` the measuring is an
    open loop: each slice a stretch of that schedule, for all targets alike. Warm-up is a
    closed loop all the same, so that every connection has seen use at any rate.
    With `slo` the capacity of each target is searched, and what is measured is load at that
    capacity.
    `pgbench` comes after the targets, in rounds as in the answer. `seat` is None for a
    generator alone.
    """

    timeout_s: float
    slice_s: float
    warmup_s: float
    measure_s: float
    targets: tuple[Target, ...]
    rounds: tuple[tuple[int, ...], ...]
    postmaster_pid: int | None = None
    seed: int = 0
    pace: Pace | None = None
    slo: Slo | None = None
    pgbench: PgbenchTarget | None = None
    seat: Seat | None = None
    uncounted_pids: tuple[int, ...] = ()

    @property
    def shares(self) -> list[float]:
        """The share of each target, in the order of rounds."""
        last = [] if self.pgbench is None else [self.pgbench.share]
        return [each.share for each in self.targets] + last

    def to_json(self) -> bytes:
        """UTF-8 JSON; bytes as base64."""
        return orjson.dumps(self, default=_encoded)

    @classmethod
    def from_json(cls, document: bytes) -> "Job":
        """Undo `to_json`; anything else raises ValueError, KeyError or TypeError."""
        fields = orjson.loads(document)
        fields["targets"] = tuple(_target(each) for each in fields["targets"])
        fields["rounds"] = tuple(tuple(each) for each in fields["rounds"])
        fields["uncounted_pids"] = tuple(fields["uncounted_pids"])
        fields["pace"] = None if fields["pace"] is None else Pace(**fields["pace"])
        fields["slo"] = None if fields["slo"] is None else Slo(**fields["slo"])
        fields["pgbench"] = None if fields["pgbench"] is None else _pgbench(fields["pgbench"])
        fields["seat"] = None if fields["seat"] is None else _seat(fields["seat"])
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Slice:
    """One measured burst of load on one target.

    The window runs from the moment every connection has had its first answer to the
    slice's end. `start_ns` is its opening on the system-wide monotonic clock
    (`time.monotonic_ns`), `window_ns` its length, `requests` the good answers completed
    in it. CPU times are differences of the clocks over exactly that window; None where
    a clock cannot be read. Warm-up slices are not recorded.

    In an open loop the window is a stretch of the schedule, which stays open until the last
    request due in it has found a connection: so a target that falls behind has a longer
    one. `requests` are the good answers to what was due in it, whenever they came, and
    CPU is read when the last of them has.
    """

    start_ns: int
    window_ns: int
    requests: int
    app_cpu_ns: int | None
    db_cpu_ns: int | None
    load_cpu_ns: int | None


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What an open loop has to tell beside latencies.

    `due` requests were due within stretches of `stretches_ns` in all. `service_ns` are the
    service times of good answers, from the moment the request was written, in the order of
    their latencies. `lags_ns` is written less due for each request that found a connection
    free, which is the generator's own lateness; `waits_ns` the same for those that had to
    wait for one; `unsent` counts those for which there was none within the timeout. All
    arrays are little-endian int64.
    """

    due: int
    stretches_ns: int
    service_ns: bytes
    lags_ns: bytes
    waits_ns: bytes
    unsent: int


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search for capacity found: `concurrency`, or None and the reason.

    `probes` are in the order of time, verifications among them. For `limit` see
    `harness.load.capacity.Found`.
    """

    probes: tuple[Probe, ...]
    concurrency: int | None
    limit: CapacityLimit
    reason: str


@dataclass(frozen=True, slots=True)
class TargetAnswer:
    """What one target did.

    `latencies_ns` are little-endian int64 (`numpy.frombuffer(x, "<i8")`): one for each
    good answer completed in a window, in order of completion, slice after slice, so
    that the first `slices[0].requests` of them belong to the first slice.

    `errors` counts failed requests by `harness.model.ERROR_CLASSES` over the whole
    measuring time, those between a window's close and the end of its drain included;
    `messages` has the first message of each class met. `reconnects` counts connections
    opened after the first of each. `warmup_median_ns` is None when warm-up had no good
    answer. `answered` and `failed` count the good answers and the failed requests of the
    whole job: warm-up, ramps and drains included.

    With an SLO all but `answered` and `failed` is of the verification that `searched` ended
    with. `generator_busy` is the share of a core that the busiest of several generators
    used in its windows; None when there was one, whose slices say it.
    """

    name: str
    latencies_ns: bytes
    slices: tuple[Slice, ...]
    errors: Mapping[str, int]
    messages: Mapping[str, str]
    reconnects: int
    warmup_median_ns: int | None
    answered: int
    failed: int
    arrivals: Arrivals | None = None
    searched: Searched | None = None
    generator_busy: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the generator did. Its targets are in the job's order, pgbench the last.

    `slice_s` is the real length of a slice. `lag_p99_ns` is how long an event that is
    ready waits until the generator serves it, `late_p99_ns` how late a timer is served:
    what a generator that wants a CPU and does not get one shows. None when never sampled.
    `generators` is how many processes gave the load.
    """

    slice_s: float
    targets: tuple[TargetAnswer, ...]
    lag_p99_ns: int | None
    late_p99_ns: int | None
    generators: int = 1

    def to_json(self) -> bytes:
        """UTF-8 JSON; bytes as base64."""
        return orjson.dumps(self, default=_encoded)

    @classmethod
    def from_json(cls, document: bytes) -> "Answer":
        """Undo `to_json`; anything else raises ValueError, KeyError or TypeError."""
        fields = orjson.loads(document)
        fields["targets"] = tuple(_target_answer(each) for each in fields["targets"])
        return cls(**fields)


def _encoded(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"a job holds no {type(value).__name__}")


def _target(fields: dict[str, Any]) -> Target:
    fields["requests"] = tuple(_request(each) for each in fields["requests"])
    fields["pids"] = tuple(fields["pids"])
    return Target(**fields)


def _pgbench(fields: dict[str, Any]) -> PgbenchTarget:
    fields["argv"] = tuple(fields["argv"])
    return PgbenchTarget(**fields)


def _seat(fields: dict[str, Any]) -> Seat:
    fields["descriptors"] = tuple(fields["descriptors"])
    return Seat(**fields)


def _request(fields: dict[str, Any]) -> Request:
    fields["raw"] = base64.b64decode(fields["raw"])
    fields["body"] = None if fields["body"] is None else base64.b64decode(fields["body"])
    return Request(**fields)


def _target_answer(fields: dict[str, Any]) -> TargetAnswer:
    fields["latencies_ns"] = base64.b64decode(fields["latencies_ns"])
    fields["slices"] = tuple(Slice(**each) for each in fields["slices"])
    fields["arrivals"] = None if fields["arrivals"] is None else _arrivals(fields["arrivals"])
    fields["searched"] = None if fields["searched"] is None else _searched(fields["searched"])
    return TargetAnswer(**fields)


def _arrivals(fields: dict[str, Any]) -> Arrivals:
    for name in ("service_ns", "lags_ns", "waits_ns"):
        fields[name] = base64.b64decode(fields[name])
    return Arrivals(**fields)


def _searched(fields: dict[str, Any]) -> Searched:
    fields["probes"] = tuple(Probe(**each) for each in fields["probes"])
    return Searched(**fields)
