"""What the load generator costs, beside wrk: CPU per request and requests per second.

Run by hand, as `python benchmarks/generator.py [pairs]`, on Linux with wrk installed. An
app of fixed bodies is served by Granian on the first core; the generator and wrk load it in
turn from the second, in random order within each pair, so that both see the same machine.
The bodies have the sizes of the harness's own app's, but no database is behind them: it
would share a core with what is measured here. Prints, and writes nothing.
"""

import contextlib
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
from scipy import stats
from starlette.applications import Starlette
from starlette.requests import Request as Asked
from starlette.responses import Response
from starlette.routing import Route

from harness.idle import awake
from harness.load.http import request_bytes
from harness.load.job import Answer, Job, Request, Slice, Target

PORT = 18431
CONNECTIONS = 16
SECONDS = 2.0
APP_CORE, LOAD_CORE = 0, 1


@dataclass(frozen=True)
class Run:
    """One run of one tool. `whole_us` is all of the process, start-up included."""

    rps: float
    whole_us: float
    window_us: float
    p50_ms: float
    p99_ms: float


def fixed() -> Starlette:
    """Return the app under load: every path answers bytes made beforehand."""
    return Starlette(
        routes=[Route(path, _answering(body)) for path, body in bodies().items()],
    )


def bodies() -> dict[str, bytes]:
    """Return the answer to each path: about 15, 110 and 11,000 bytes."""
    users = [
        {
            "id": number,
            "name": f"Ada Lovelace {number}",
            "email": f"ada.lovelace.{number}@example.com",
            "created_at": "2024-01-01T00:00:00+00:00",
        }
        for number in range(1, 101)
    ]
    return {
        "/noop": orjson.dumps({"status": "ok"}),
        "/users/7": orjson.dumps(users[6]),
        "/users": orjson.dumps(users),
    }


def main() -> None:
    """Measure, and print a table."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed (Debian: apt-get install wrk)")
    with awake(wanted=True), served():
        start_up_ms = statistics.median(_start_up_ms() for _ in range(3))
        print(f"{pairs} pairs of {SECONDS:g} s, {CONNECTIONS} connections; medians [95 % interval]")
        print(f"start-up of the generator: {start_up_ms:.0f} ms of CPU, in `whole` only")
        print(
            f"{'path':10} {'ours us':>8} {'whole':>8} {'wrk us':>8} {'CPU ratio':>22} {'req/s':>22}"
            f" {'p50':>22} {'p99':>22}"
        )
        for path in bodies():
            print(_row(path, [_pair(path) for _ in range(pairs)]))
        print(_slicing())


def _pair(path: str) -> tuple[Run, Run]:
    tools: list[Callable[[str], Run]] = [run_generator, run_wrk]
    order = random.sample(range(2), 2)
    runs = {index: tools[index](path) for index in order}
    return runs[0], runs[1]


def _row(path: str, runs: list[tuple[Run, Run]]) -> str:
    ours, wrks = zip(*runs, strict=True)
    cpu = [one.window_us / other.window_us for one, other in runs]
    rps = [one.rps / other.rps for one, other in runs]
    p50 = [one.p50_ms / other.p50_ms for one, other in runs]
    p99 = [one.p99_ms / other.p99_ms for one, other in runs]
    return (
        f"{path:10} {statistics.median(run.window_us for run in ours):8.2f} "
        f"{statistics.median(run.whole_us for run in ours):8.2f} "
        f"{statistics.median(run.whole_us for run in wrks):8.2f} {_interval(cpu)} {_interval(rps)}"
        f" {_interval(p50)} {_interval(p99)}"
    )


def _interval(ratios: list[float]) -> str:
    found = stats.quantile_test(ratios, p=0.5).confidence_interval(0.95)
    return f"{statistics.median(ratios):6.3f} [{found.low:.3f}, {found.high:.3f}]"


def run_generator(path: str) -> Run:
    """Load `path` with the project's generator, in one slice."""
    answer, cpu_s = _generator(_job([path], slice_s=SECONDS, measure_s=SECONDS))
    (target,) = answer.targets
    (window,) = target.slices
    if target.errors:
        sys.exit(f"{path}: {target.messages}")
    p50_ms, p99_ms = np.percentile(np.frombuffer(target.latencies_ns, "<i8"), [50, 99]) / 1e6
    return Run(
        rps=window.requests / (window.window_ns / 1e9),
        whole_us=cpu_s * 1e6 / window.requests,
        window_us=(window.load_cpu_ns or 0) / 1e3 / window.requests,
        p50_ms=float(p50_ms),
        p99_ms=float(p99_ms),
    )


def run_wrk(path: str) -> Run:
    """Load `path` with wrk: it has no window of its own, nor a start-up worth a name."""
    argv = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS:g}s", "--latency"]
    argv += [f"http://127.0.0.1:{PORT}{path}"]
    said, cpu_s = _run(argv, b"")
    done = re.search(rb"(\d+) requests in", said)
    rate = re.search(rb"Requests/sec:\s+([\d.]+)", said)
    assert done is not None
    assert rate is not None
    us = cpu_s * 1e6 / int(done[1])
    return Run(float(rate[1]), us, us, _latency_ms(said, 50), _latency_ms(said, 99))


def _latency_ms(said: bytes, percent: int) -> float:
    found = re.search(rb"\b%d%%\s+([\d.]+)(us|ms|s)\b" % percent, said)
    assert found is not None
    return float(found[1]) * {b"us": 1e-3, b"ms": 1.0, b"s": 1e3}[found[2]]


def _slicing() -> str:
    """How much of the time is measured, when slices of 100 ms go round two targets."""
    job = _job(["/noop", "/users"], slice_s=0.1, measure_s=SECONDS)
    answer, _ = _generator(job)
    windows = [each for target in answer.targets for each in target.slices]
    opened, closed = min(windows, key=_start), max(windows, key=_start)
    whole_ns = closed.start_ns + closed.window_ns - opened.start_ns
    share = sum(each.window_ns for each in windows) / whole_ns
    return f"slices of 100 ms on two targets: {share:.1%} of the time is inside a window"


def _start(window: Slice) -> int:
    return window.start_ns


def _start_up_ms() -> float:
    return _generator(_job(["/noop"], slice_s=0.01, measure_s=0.0))[1] * 1e3


def _job(paths: list[str], slice_s: float, measure_s: float) -> Job:
    authority = f"127.0.0.1:{PORT}"
    targets = tuple(
        Target(
            name=path,
            host="127.0.0.1",
            port=PORT,
            connections=CONNECTIONS,
            requests=(Request(request_bytes("GET", path, authority), 200, bodies()[path]),),
        )
        for path in paths
    )
    return Job(10.0, slice_s, 0.0, measure_s, targets, (tuple(range(len(paths))),))


def _generator(job: Job) -> tuple[Answer, float]:
    said, cpu_s = _run([sys.executable, "-m", "harness.load.generator"], job.to_json())
    return Answer.from_json(said), cpu_s


def _run(argv: list[str], told: bytes) -> tuple[bytes, float]:
    """Run `argv` on the load's core; its output, and the CPU seconds of the whole process."""
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout:
        stdin.write(told)
        stdin.seek(0)
        with _on_core(LOAD_CORE):
            process = subprocess.Popen(argv, stdin=stdin, stdout=stdout)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{argv[0]} ended with {process.returncode}")
        stdout.seek(0)
        return stdout.read(), used.ru_utime + used.ru_stime


@contextlib.contextmanager
def served() -> Iterator[None]:
    """Serve the app of fixed bodies on its core."""
    argv = [sys.executable, "-m", "granian", "--interface", "asgi", "--loop", "uvloop"]
    argv += ["--http", "1", "--no-ws", "--port", str(PORT), "--no-log", "--factory"]
    argv += ["--working-dir", str(Path(__file__).parent), "generator:fixed"]
    with _on_core(APP_CORE):
        process = subprocess.Popen(argv)
    try:
        _wait_until_ready()
        yield
    finally:
        process.terminate()
        process.wait()


def _wait_until_ready() -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/noop", timeout=1):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@contextlib.contextmanager
def _on_core(core: int) -> Iterator[None]:
    """Start children on `core`: they inherit what this process may use at the fork."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _answering(body: bytes) -> Callable[[Asked], object]:
    async def answer(_request: Asked) -> Response:
        return Response(body, media_type="application/json")

    return answer


if __name__ == "__main__":
    main()
