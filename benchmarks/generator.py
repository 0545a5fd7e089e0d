"""What the load generator costs, beside wrk: CPU per request and requests per second.

Run by hand, as `python -m benchmarks.generator [blocks]` from the root of a checkout, on Linux
with wrk installed. An app of fixed bodies is served by Granian on the first core; the
generator's own loader and wrk load it from the second, in turns of 50 ms and in random order:
wrk is stopped and continued. So both see the same machine, whose speed differs more between
two turns of seconds than the tools do. A block is a wrk and a set of connections of their own.
The bodies have the sizes of the harness's own app's, but no database is behind them: it
would share a core with what is measured. Prints, and writes nothing.
"""

import asyncio
import contextlib
import math
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import orjson
import uvloop
from scipy import stats
from starlette.applications import Starlette
from starlette.requests import Request as Asked
from starlette.responses import Response
from starlette.routing import Route

from harness.idle import awake
from harness.load.alarm import sleep
from harness.load.generator import every_s, loader, read_clocks, ticking, undisturbed
from harness.load.http import request_bytes
from harness.load.job import Answer, Job, Request, Slice, Target, TargetAnswer
from harness.load.lag import LagMeter
from harness.load.slices import give
from harness.processes import KILL_AFTER_S

PORT = 18431
CONNECTIONS = 16
SLICE_S = 0.05
MEASURE_S = 4.0
ROUNDS = 1000
APP_CORE, LOAD_CORE = 0, 1


@dataclass(frozen=True)
class Run:
    """What one tool did in one block."""

    rps: float
    cpu_us: float


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
    blocks = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed (Debian: apt-get install wrk)")
    # As Ctrl-C, which ends what was started.
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    with awake(wanted=True), served():
        start_up_ms = statistics.median(_start_up_ms() for _ in range(3))
        print(
            f"{blocks} blocks of {MEASURE_S:g} s a tool in turns of {SLICE_S * 1000:g} ms, "
            f"{CONNECTIONS} connections"
        )
        print(f"start-up of the generator: {start_up_ms:.0f} ms of CPU, in nothing below")
        print("generator over wrk, mean of the blocks [95 % interval]")
        print(f"{'path':10} {'ours us':>8} {'wrk us':>8} {'CPU':>22} {'req/s':>22}")
        for path in bodies():
            print(_row(path, [_block(path) for _ in range(blocks)]), flush=True)
        print(_slicing())


def _block(path: str) -> tuple[Run, Run]:
    with _on_core(LOAD_CORE):
        return uvloop.run(_in_turns(path))


async def _in_turns(path: str) -> tuple[Run, Run]:
    """Load `path` with the generator and with wrk, slice by slice."""
    chance = random.Random()
    job = _job([path], slice_s=SLICE_S, measure_s=MEASURE_S)
    ours = loader(job.targets[0], job, lambda: read_clocks((), None), chance)
    rounds = [chance.sample((0, 1), 2) for _ in range(ROUNDS)]
    lag = LagMeter(every_s(job.timeout_s))
    with Wrk(path) as wrk, undisturbed(), lag, ticking(job.timeout_s, [ours.end_overdue, lag.tick]):
        await ours.open()
        await give(rounds, MEASURE_S, SLICE_S, [ours.measure, wrk.measure])
        await ours.close()
        return _ours(path, ours.answer()), await asyncio.to_thread(wrk.finished)


def _ours(path: str, answer: TargetAnswer) -> Run:
    if answer.errors:
        sys.exit(f"{path}: {answer.messages}")
    requests = sum(each.requests for each in answer.slices)
    return Run(
        rps=requests / sum(each.window_ns for each in answer.slices) * 1e9,
        cpu_us=sum(each.load_cpu_ns or 0 for each in answer.slices) / 1e3 / requests,
    )


class Wrk:
    """A wrk that is stopped, but for its slices.

    What it has asked for when it is stopped is answered meanwhile: an answer for each
    connection that took the server none of wrk's time, and is not counted in its rate. The
    latencies that it reports have its stops in them, and are of no use.
    """

    def __init__(self, path: str) -> None:
        argv = ["wrk", "-t1", f"-c{CONNECTIONS}", "-d3600s", f"http://127.0.0.1:{PORT}{path}"]
        self._continued_s = time.monotonic()
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE)
        self._process.send_signal(signal.SIGSTOP)
        self._active_s = 0.0
        self._slices = 0

    def __enter__(self) -> Self:
        """Return it: it is there, and stopped."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it, if it has not ended."""
        if self._process.returncode is None:
            self._process.kill()
        self._process.communicate()

    async def measure(self, slice_s: float) -> float:
        """Let it go for a slice; the seconds of load to charge for it."""
        self._go()
        await sleep(slice_s)
        self._process.send_signal(signal.SIGSTOP)
        self._active_s += time.monotonic() - self._continued_s
        self._slices += 1
        return slice_s

    def finished(self) -> Run:
        """Let it end, which it does at its next tenth of a second; what it did in all."""
        self._go()
        # Whichever of its threads runs is interrupted, and only its first can end it. That one
        # needs a moment to wake up, and to go to sleep again.
        time.sleep(SLICE_S)
        self._process.send_signal(signal.SIGINT)
        _, status, used = os.wait4(self._process.pid, 0)
        self._active_s += time.monotonic() - self._continued_s
        self._process.returncode = os.waitstatus_to_exitcode(status)
        assert self._process.stdout is not None
        said = self._process.stdout.read()
        done = re.search(rb"(\d+) requests in", said)
        assert done is not None
        assert b"Socket errors" not in said, said
        requests = int(done[1])
        return Run(
            rps=(requests - CONNECTIONS * self._slices) / self._active_s,
            cpu_us=(used.ru_utime + used.ru_stime) * 1e6 / requests,
        )

    def _go(self) -> None:
        self._continued_s = time.monotonic()
        self._process.send_signal(signal.SIGCONT)


def _row(path: str, blocks: Sequence[tuple[Run, Run]]) -> str:
    ours, wrks = zip(*blocks, strict=True)
    cpu = [one.cpu_us / other.cpu_us for one, other in blocks]
    rps = [one.rps / other.rps for one, other in blocks]
    return (
        f"{path:10} {statistics.median(run.cpu_us for run in ours):8.2f} "
        f"{statistics.median(run.cpu_us for run in wrks):8.2f} {_interval(cpu)} {_interval(rps)}"
    )


def _interval(ratios: Sequence[float]) -> str:
    """Say the mean on the log scale, with its t interval."""
    found = stats.ttest_1samp(np.log(ratios), 0.0).confidence_interval(0.95)
    mean = math.exp(statistics.fmean(map(math.log, ratios)))
    return f"{mean:6.3f} [{math.exp(found.low):.3f}, {math.exp(found.high):.3f}]"


def _slicing() -> str:
    """How much of the time is measured, when slices of 100 ms go round two targets."""
    job = _job(["/noop", "/users"], slice_s=0.1, measure_s=MEASURE_S)
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
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
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
        process = subprocess.Popen(argv, start_new_session=True)
    try:
        _wait_until_ready()
        yield
    finally:
        process.terminate()
        try:
            process.wait(KILL_AFTER_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
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
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
