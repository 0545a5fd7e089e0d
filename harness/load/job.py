"""What the generator process is told and what it answers: one JSON document each way.

Records only, and their JSON. Both ends of the pipe use this module, so it imports
neither the rest of the harness nor anything slow to start.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson


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
    `postmaster_pid` is the database whose CPU is charged to the target under load.
    `seed` decides which answers are compared byte by byte.
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
    pgbench: PgbenchTarget | None = None
    seat: Seat | None = None

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
    """

    start_ns: int
    window_ns: int
    requests: int
    app_cpu_ns: int | None
    db_cpu_ns: int | None
    load_cpu_ns: int | None


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
    answer. `generator_busy` is the share of a core that the busiest of several generators
    used in its windows; None when there was one, whose slices say it.
    """

    name: str
    latencies_ns: bytes
    slices: tuple[Slice, ...]
    errors: Mapping[str, int]
    messages: Mapping[str, str]
    reconnects: int
    warmup_median_ns: int | None
    generator_busy: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the generator did. Its targets are in the job's order, pgbench the last.

    `slice_s` is the real length of a slice. `lag_p99_ns` is how long an event that is
    ready waits until the generator serves it (None when never sampled). `generators` is how
    many processes gave the load.
    """

    slice_s: float
    targets: tuple[TargetAnswer, ...]
    lag_p99_ns: int | None
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
    return TargetAnswer(**fields)
