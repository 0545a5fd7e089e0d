"""Whether an open loop starts on time, and whether it sees a server that stalls.

Run by hand, as `python -m benchmarks.openloop`, from the repository's top. A server that
answers at once is asked at three rates, and how late its requests started is told. Then a
server that stands still for 1 s in every 5 is asked in an open and in a closed loop, and the
p99 of both is set beside the one that follows from the schedule and from the stalls as the
server saw them. Prints, and writes nothing.
"""

import asyncio
import contextlib
import heapq
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import uvloop
from numpy.typing import NDArray

from harness.load.generator import fire
from harness.load.http import request_bytes
from harness.load.job import Job, Request, Target, TargetAnswer
from harness.load.pace import Pace, offsets_ns

BODY = b'{"id":7,"name":"Ada"}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY
TIMEOUT_S = 10.0
Stall = tuple[int, int]
"""From when to when a server stood still, in ns of the monotonic clock, which all share."""


class Answering(asyncio.Protocol):
    """Answers whatever comes, at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where answers go."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer."""
        self._transport.write(ANSWER)


async def serve(every_s: float, stall_s: float) -> None:
    """Print the port, then serve for ever, and stand still for `stall_s` in every `every_s`.

    Each stall is printed as it ends. Its event loop itself stands still, as it does in a
    server that computes, collects garbage or waits for a lock.
    """
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while True:
        await asyncio.sleep(every_s - stall_s)
        if stall_s:
            begun_ns = time.monotonic_ns()
            time.sleep(stall_s)  # noqa: ASYNC251 - blocks the loop, on purpose
            print(begun_ns, time.monotonic_ns(), flush=True)


@dataclass
class Stalling:
    """A server in a process of its own; `stalls` are known once it has ended."""

    port: int
    stalls: list[Stall] = field(default_factory=list)


@contextlib.contextmanager
def served(every_s: float, stall_s: float) -> Iterator[Stalling]:
    """Yield a server that stands still for `stall_s` in every `every_s`."""
    argv = [sys.executable, "-m", "benchmarks.openloop", str(every_s), str(stall_s)]
    top = Path(__file__).parents[1]
    process = subprocess.Popen(argv, cwd=top, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        server = Stalling(int(process.stdout.readline()))
        yield server
    finally:
        process.terminate()
        said, _ = process.communicate()
    for line in said.splitlines():
        begun_ns, ended_ns = map(int, line.split())
        server.stalls.append((begun_ns, ended_ns))


def job(port: int, connections: int, duration_s: float, pace: Pace | None) -> Job:
    """Return load for one server: one slice, no warm-up."""
    request = Request(request_bytes("GET", "/", "localhost"), 200, BODY)
    target = Target("server", "127.0.0.1", port, connections, (request,))
    return Job(TIMEOUT_S, duration_s, 0.0, duration_s, (target,), ((0,),), pace=pace)


def loaded(told: Job) -> TargetAnswer:
    """Do the job in this process."""
    return uvloop.run(fire(told)).targets[0]


def due_ns(told: Job, answer: TargetAnswer) -> list[int]:
    """Return when each request of the job's one stretch was due, on the monotonic clock."""
    assert told.pace is not None
    (stretch,) = answer.slices
    offsets = offsets_ns(told.pace, 0, round(told.slice_s * 1e9))
    return [stretch.start_ns + offset for offset in offsets]


def simulated_ns(due: Sequence[int], connections: int, stalls: Sequence[Stall]) -> list[int]:
    """Return what each latency must be on a server that answers at once unless it stands still.

    First come, first served, over so many connections: a request due while all are busy
    starts when the first of them is free.
    """
    free_ns = [0] * connections
    latencies = []
    for each in due:
        start_ns = max(each, free_ns[0])
        end_ns = next((end for begun, end in stalls if begun <= start_ns < end), start_ns)
        heapq.heapreplace(free_ns, end_ns)
        latencies.append(end_ns - each)
    return latencies


def latencies_ms(answer: TargetAnswer) -> NDArray[np.float64]:
    """Return the latencies of good answers."""
    return np.frombuffer(answer.latencies_ns, "<i8") / 1e6


def p99_ms(latencies: Sequence[float] | NDArray[np.float64]) -> float:
    """Return the 99th percentile, nearest rank."""
    return float(np.percentile(latencies, 99, method="inverted_cdf"))


def main() -> None:
    """Measure, and print two tables."""
    if len(sys.argv) > 1:
        with contextlib.suppress(KeyboardInterrupt):
            uvloop.run(serve(*map(float, sys.argv[1:])))
        return
    print("| req/s | requests | lag p50, us | lag p99, us | latency p50, us | generator CPU, us |")
    print("|---|---|---|---|---|---|")
    with served(3600.0, 0.0) as server:
        for rate in (200, 1000, 3000):
            print(_punctuality(server.port, rate))
    print()
    print("| loop | requests | p99, ms | from the schedule, ms |\n|---|---|---|---|")
    print("\n".join(_stalls(every_s=5.0, stall_s=1.0, duration_s=30.0, rate=500.0)))


def _punctuality(port: int, rate: float) -> str:
    answer = loaded(job(port, 16, 5.0, Pace(rate, "benchmark")))
    assert answer.arrivals is not None
    lags_us = np.frombuffer(answer.arrivals.lags_ns, "<i8") / 1e3
    p50, p99 = np.percentile(lags_us, [50, 99])
    cpu_us = (answer.slices[0].load_cpu_ns or 0) / 1e3 / answer.arrivals.due
    latency_us = float(np.median(latencies_ms(answer))) * 1e3
    due = answer.arrivals.due
    return f"| {rate} | {due} | {p50:.0f} | {p99:.0f} | {latency_us:.0f} | {cpu_us:.0f} |"


def _stalls(every_s: float, stall_s: float, duration_s: float, rate: float) -> Iterator[str]:
    with served(every_s, stall_s) as server:
        told = job(server.port, 16, duration_s, Pace(rate, "benchmark"))
        is_open = loaded(told)
        closed = loaded(job(server.port, 16, duration_s, None))
    expected = [each / 1e6 for each in simulated_ns(due_ns(told, is_open), 16, server.stalls)]
    for name, answer, right in (
        ("open, 500 req/s", is_open, f"{p99_ms(expected):.1f}"),
        ("closed", closed, "-"),
    ):
        found = latencies_ms(answer)
        yield f"| {name} | {len(found)} | {p99_ms(found):.1f} | {right} |"


if __name__ == "__main__":
    main()
