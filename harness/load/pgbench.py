"""pgbench as a target: one process for the whole job, stopped between its slices.

SIGSTOP, and not a pgbench for each slice: to connect ten clients takes longer than a
slice lasts, and new backends begin with empty caches and unprepared statements, where
those of a pool are warm. What a stop does to the transactions under way is left out
afterwards: pgbench logs when each ended and how long it took, so that only those are
taken that began after the slice did and ended in its window.
"""

import asyncio
import signal
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.load.job import PgbenchTarget, TargetAnswer
from harness.load.loader import Clocks
from harness.load.tally import MESSAGE_CHARS_MAX
from harness.observe.cpu import DatabaseCpu, process_cpu_ns

POLL_S = 0.005

READY_WITHIN_S = 30.0
"""For its connections and about a hundred transactions. Then the first part of its log is
written out, and all its clients are at work."""

RAMP_LATENCIES = 2
"""Median latencies from a slice's begin to its window's: all clients have had an answer."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """One line of pgbench's log; `ended_ns` is on the clock of `time.monotonic_ns`."""

    ended_ns: int
    latency_ns: int


@dataclass(frozen=True, slots=True)
class Window:
    """When a slice began, and the clocks at both ends of its window."""

    begun_ns: int
    opening: Clocks
    closing: Clocks


class Pgbench:
    """Owns the process and what it logs. One that fails has no slices, and says why."""

    def __init__(
        self, target: PgbenchTarget, timeout_s: float, database: DatabaseCpu | None
    ) -> None:
        self.target = target
        self._folder = Path(target.folder)
        self._timeout_s = timeout_s
        self._database = database
        self._process: asyncio.subprocess.Process | None = None
        self._clock_shift_ns = 0
        self._median_ns: int | None = None
        self._windows: list[Window] = []
        self._transactions: list[Transaction] = []
        self._failure = ""

    async def open(self) -> None:
        """Start it, and stop it once every client has had its first answers."""
        try:
            await self._start()
        except OSError as error:
            self._failure = f"{self.target.argv[0]} cannot be started: {error.strerror}"
            return
        deadline = time.monotonic() + READY_WITHIN_S
        while self._runs and not self._has_logged():
            if time.monotonic() > deadline:
                self._failure = f"no hundred transactions within {READY_WITHIN_S:g} s"
                self._signal(signal.SIGKILL)
                return
            await asyncio.sleep(POLL_S)
        self._signal(signal.SIGSTOP)
        self._learn_median()

    async def warm(self, slice_s: float) -> float:
        """Let it run for a slice; the seconds to charge."""
        self._signal(signal.SIGCONT)
        await asyncio.sleep(slice_s)
        await self._rest()
        self._learn_median()
        return slice_s

    async def measure(self, slice_s: float) -> float:
        """Let it run for a slice, and keep the clocks of its window; the seconds to charge."""
        ramp_s = min(RAMP_LATENCIES * self._median_s, slice_s / 2)
        begun_ns = time.monotonic_ns()
        self._signal(signal.SIGCONT)
        await asyncio.sleep(ramp_s)
        opening = self._clocks()
        await asyncio.sleep(slice_s - ramp_s)
        self._windows.append(Window(begun_ns, opening, self._clocks()))
        await self._rest()
        return slice_s

    async def close(self) -> None:
        """End it in order, for only then is its log whole; read that."""
        self._signal(signal.SIGALRM)  # as when its `--time` is over
        self._signal(signal.SIGCONT)
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), self._timeout_s)
            except TimeoutError:
                self._failure = self._failure or f"did not end within {self._timeout_s:g} s"
                self._signal(signal.SIGKILL)
            if self._process.returncode:
                self._failure = self._failure or self._complaint()
        self._transactions = self._logged()

    def end_overdue(self) -> None:
        """Nothing to do: pgbench gives no transaction up."""

    @property
    def warmup_median_ns(self) -> int | None:
        """Median latency of what was logged by the end of warm-up; None without any."""
        return self._median_ns

    def answer(self) -> TargetAnswer:
        """All that was measured, or why nothing was."""
        windows = [] if self._failure else self._windows
        counted = [counted_in(window, self._transactions) for window in windows]
        latencies_ns = [each.latency_ns for those in counted for each in those]
        return TargetAnswer(
            name=self.target.name,
            latencies_ns=struct.pack(f"<{len(latencies_ns)}q", *latencies_ns),
            slices=tuple(
                window.opening.until(window.closing, len(those))
                for window, those in zip(windows, counted, strict=True)
            ),
            errors={"database": 1} if self._failure else {},
            messages={"database": self._failure[:MESSAGE_CHARS_MAX]} if self._failure else {},
            reconnects=0,
            warmup_median_ns=self._median_ns,
            answered=len(self._transactions),
            failed=0,
        )

    async def _start(self) -> None:
        with self._errors.open("wb") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *self.target.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=errors,
            )
        # As it does itself at its start, to log a steady clock as the time of day.
        self._clock_shift_ns = time.time_ns() - time.monotonic_ns()

    @property
    def _runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def _errors(self) -> Path:
        return self._folder / "errors"

    @property
    def _median_s(self) -> float:
        return (self._median_ns or 0) / 1e9

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._runs:
            self._process.send_signal(number)

    async def _rest(self) -> None:
        """Stop it, and leave the database the time of an answer for what it has in hand."""
        self._signal(signal.SIGSTOP)
        await asyncio.sleep(self._median_s)

    def _clocks(self) -> Clocks:
        pid = None if self._process is None else self._process.pid
        return Clocks(
            now_ns=time.monotonic_ns(),
            load_cpu_ns=0 if pid is None else process_cpu_ns(pid) or 0,
            app_cpu_ns=None,
            db_cpu_ns=None if self._database is None else self._database.read(),
        )

    def _has_logged(self) -> bool:
        return any(path.stat().st_size for path in self._folder.glob("log*"))

    def _logged(self) -> list[Transaction]:
        return [
            transaction
            for path in self._folder.glob("log*")
            for transaction in transactions(path.read_text(), self._clock_shift_ns)
        ]

    def _learn_median(self) -> None:
        ordered = sorted(each.latency_ns for each in self._logged())
        self._median_ns = ordered[len(ordered) // 2] if ordered else None

    def _complaint(self) -> str:
        lines = [line.strip() for line in self._errors.read_text(errors="replace").splitlines()]
        telling = [line for line in lines if "error:" in line or "FATAL:" in line]
        return (telling or lines or ["ended without a word"])[0]


def transactions(log: str, clock_shift_ns: int) -> list[Transaction]:
    """Read pgbench's log, in its order; an unfinished last line is left out.

    A line is `client number latency_us script epoch_s epoch_us`, perhaps with more behind
    it, or has a word for a latency when the transaction failed. `clock_shift_ns` is what
    its clock is ahead of ours. (PostgreSQL's documentation of pgbench, "Per-Transaction
    Logging".)
    """
    found = []
    for line in log[: log.rfind("\n") + 1].splitlines():
        _client, _number, latency_us, _script, epoch_s, epoch_us, *_ = line.split()
        if latency_us.isdigit():
            ended_ns = (int(epoch_s) * 1_000_000 + int(epoch_us)) * 1000 - clock_shift_ns
            found.append(Transaction(ended_ns, max(1, int(latency_us)) * 1000))
    return found


def counted_in(window: Window, logged: Sequence[Transaction]) -> list[Transaction]:
    """Return those of `logged` that ended in `window` and began after its slice did."""
    return [
        each
        for each in logged
        if window.opening.now_ns < each.ended_ns <= window.closing.now_ns
        and each.ended_ns - each.latency_ns >= window.begun_ns
    ]
