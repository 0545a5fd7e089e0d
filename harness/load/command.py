"""The `load` command: the generator alone, against any HTTP/1.1 URL."""

import asyncio
import dataclasses
import socket
import urllib.parse
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import orjson

from harness.errors import BadInput, NothingMeasurable
from harness.load import figures
from harness.load.connection import judge
from harness.load.http import MalformedError, Reply, ReplyReader, request_bytes
from harness.load.job import Job, Request, Target, TargetAnswer
from harness.load.pace import Pace
from harness.load.process import carry_out
from harness.model import ERROR_CLASSES, OpenLoop
from harness.processes import Processes
from harness.thresholds import LATE_MS, P99_MIN_REQUESTS


@dataclass(frozen=True, slots=True)
class Place:
    """What a URL names: where to connect, and the request to send there."""

    url: str
    address: str
    port: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a URL did under load. Numbers it did not give are None, never 0.

    `duration_s` is the measured time, from every connection's first answer on; errors are
    those of all the time. `messages` holds the first message of each class of error.
    `varying` tells that two answers before the load differed, so that bodies were not
    compared. `rate` is in req/s, and `open_loop` what an open loop has to tell beside the
    rest; both None in a closed one.
    """

    url: str
    concurrency: int
    duration_s: float
    requests: int
    rps: float | None
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    errors: Mapping[str, int]
    messages: Mapping[str, str]
    load_cpu_us: float | None
    lag_p99_ms: float | None
    varying: bool
    rate: float | None = None
    open_loop: OpenLoop | None = None

    @property
    def error_count(self) -> int:
        """Failed requests of all classes."""
        return sum(self.errors.values())

    @property
    def error_pct(self) -> float | None:
        """Failed requests, of all that ended, in percent."""
        ended = self.requests + self.error_count
        return 100 * self.error_count / ended if ended else None


async def run_load(
    url: str,
    connections: int,
    duration_s: float,
    timeout_s: float,
    processes: Processes,
    rate: float | None = None,
) -> LoadReport:
    """Load `url` over `connections` for `duration_s`, from a process of its own.

    In a closed loop, or on a schedule of `rate` req/s.
    Two requests before it learn the right answer. Raises `BadInput` for a URL that cannot
    be used, `NothingMeasurable` when it does not answer, or not with success.
    """
    place = await asyncio.to_thread(find, url)
    request = await asyncio.to_thread(learn, place, timeout_s)
    target = Target(url, place.address, place.port, connections, (request,))
    job = Job(
        timeout_s=timeout_s,
        slice_s=duration_s,
        warmup_s=0.0,
        measure_s=duration_s,
        targets=(target,),
        rounds=((0,),),
        pace=None if rate is None else Pace(rate, "load"),
    )
    answer = await carry_out(job, processes)
    varying = request.body is None
    return _report(answer.targets[0], connections, answer.lag_p99_ns, varying, rate)


def find(url: str) -> Place:
    """Take `url` apart and resolve its host, once. Raises `BadInput`."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or 80
    except ValueError as problem:
        raise BadInput(f"{url}: {problem}; expected http://host:port/path") from None
    if parts.scheme == "https":
        raise BadInput(f"{url}: the generator speaks no TLS; give an http:// URL")
    if parts.scheme != "http" or not parts.hostname or parts.username is not None:
        raise BadInput(f"{url}: expected http://host:port/path")
    path = urllib.parse.quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    query = urllib.parse.quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "not a host name"
        raise BadInput(f"{url}: cannot resolve {parts.hostname}: {reason}") from None
    raw = request_bytes("GET", path + (f"?{query}" if query else ""), parts.netloc)
    return Place(url, str(found[0][4][0]), port, raw)


def learn(place: Place, timeout_s: float) -> Request:
    """Ask twice and return the request with the answer that is right.

    Bodies that differ vary legitimately, as inserts do: any is right then. Raises
    `NothingMeasurable` when there is no answer, or not a successful one.
    """
    first, second = (_ask(place, timeout_s) for _ in range(2))
    for reply in (first, second):
        if reply.head.status >= 400:
            _, text = judge(reply, Request(place.raw, 200, None)) or ("", "")
            raise NothingMeasurable(f"{place.url}: answered {reply.head.status}: {text}"[:300])
    same = first.body == second.body
    return Request(place.raw, first.head.status, first.body if same else None)


def text(report: LoadReport) -> str:
    """Return `report` for people, in lines."""
    lines = [
        f"{report.url}: {report.concurrency} connections, {_loop(report)}{report.duration_s:.2f} s",
        _numbers_line(report),
        *_schedule_lines(report),
        f"  {report.requests} good answers, {report.error_count} errors"
        + (f" ({report.error_pct:.2f} %)" if report.error_count else ""),
    ]
    lines += [
        f"    {name}: {count} ({report.messages[name]})"
        for name, count in sorted(report.errors.items(), key=lambda item: -item[1])
    ]
    if report.varying:
        lines.append("  answers vary: their bodies were not compared")
    if report.load_cpu_us is not None:
        lag = f"{report.lag_p99_ms:.2f} ms" if report.lag_p99_ms is not None else "unknown"
        lines.append(
            f"  generator: {report.load_cpu_us:.1f} us of CPU a request, "
            f"{_core_share(report):.0%} of a core, event-loop lag p99 {lag}"
        )
    return "\n".join(lines)


def json_bytes(report: LoadReport) -> bytes:
    """Return `report` as a JSON object with the column names of cells.csv as keys."""
    fields: dict[str, Any] = asdict(report)
    for name in ("url", "messages", "lag_p99_ms", "varying"):
        del fields[name]
    by_class = fields.pop("errors")
    names = [each.name for each in dataclasses.fields(OpenLoop)]
    fields |= fields.pop("open_loop") or dict.fromkeys(names)
    fields["errors"] = report.error_count
    fields["error_pct"] = report.error_pct
    fields |= {f"err_{name}": by_class.get(name, 0) for name in ERROR_CLASSES}
    return orjson.dumps(fields)


def _report(
    answer: TargetAnswer,
    connections: int,
    lag_p99_ns: int | None,
    varying: bool,
    rate: float | None,
) -> LoadReport:
    latencies_ms = np.frombuffer(answer.latencies_ns, "<i8") / 1e6
    requests = len(latencies_ms)
    window_s = sum(each.window_ns for each in answer.slices) / 1e9
    load_cpu_ns = sum(each.load_cpu_ns or 0 for each in answer.slices)

    def percentile(percent: float) -> float | None:
        if not requests:
            return None
        return float(np.percentile(latencies_ms, percent, method="inverted_cdf"))

    return LoadReport(
        url=answer.name,
        concurrency=connections,
        duration_s=window_s,
        requests=requests,
        rps=requests / window_s if requests else None,
        p50_ms=percentile(50),
        p90_ms=percentile(90),
        p95_ms=percentile(95),
        p99_ms=percentile(99) if requests >= P99_MIN_REQUESTS else None,
        max_ms=percentile(100),
        errors=answer.errors,
        messages=answer.messages,
        load_cpu_us=load_cpu_ns / 1e3 / requests if requests else None,
        lag_p99_ms=None if lag_p99_ns is None else lag_p99_ns / 1e6,
        varying=varying,
        rate=rate,
        open_loop=figures.open_loop(answer),
    )


def _ask(place: Place, timeout_s: float) -> Reply:
    """Send the request once on a connection of its own, and read the answer."""
    try:
        with socket.create_connection((place.address, place.port), timeout_s) as connection:
            connection.sendall(place.raw)
            return _read(connection)
    except TimeoutError:
        raise NothingMeasurable(f"{place.url}: no answer within {timeout_s:g} s") from None
    except OSError as problem:
        raise NothingMeasurable(f"{place.url}: {problem.strerror or problem}") from None
    except MalformedError as problem:
        raise NothingMeasurable(f"{place.url}: {problem}") from None


def _read(connection: socket.socket) -> Reply:
    buffer, reader = bytearray(), ReplyReader()
    while True:
        received = connection.recv(65536)
        buffer += received
        if received:
            reply = reader.read(buffer, len(buffer))
        else:
            reply = reader.read_to_close(buffer, len(buffer))
        if reply is not None:
            return reply
        if not received:
            raise MalformedError("the connection was closed before the answer's end")


def _numbers_line(report: LoadReport) -> str:
    if report.rps is None:
        return "  no good answer"
    percentiles = {
        "p50": report.p50_ms,
        "p90": report.p90_ms,
        "p95": report.p95_ms,
        "p99": report.p99_ms,
        "max": report.max_ms,
    }
    shown = ", ".join(f"{name} {ms:.2f}" for name, ms in percentiles.items() if ms is not None)
    return f"  {report.rps:.1f} req/s; latency in ms: {shown}"


def _loop(report: LoadReport) -> str:
    return "" if report.rate is None else f"open loop at {report.rate:g} req/s, "


def _schedule_lines(report: LoadReport) -> list[str]:
    found = report.open_loop
    if found is None:
        return []
    service = {"p50": found.service_p50_ms, "p99": found.service_p99_ms}
    shown = ", ".join(f"{name} {ms:.2f}" for name, ms in service.items() if ms is not None)
    lag = "unknown" if found.schedule_lag_p99_ms is None else f"{found.schedule_lag_p99_ms:.2f} ms"
    late = f"{found.late} late (over {LATE_MS:g} ms), {found.dropped} dropped"
    return [
        f"  {found.offered_rps:.1f} req/s were due; service time in ms: {shown or 'unknown'}",
        f"  {late}; schedule lag p99 {lag}",
    ]


def _core_share(report: LoadReport) -> float:
    return (report.load_cpu_us or 0.0) * report.requests / 1e6 / report.duration_s
