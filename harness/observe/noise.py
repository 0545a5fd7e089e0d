"""What the machine did beside the run: read at both ends of a block's load, then compared.

What the kernel does not tell here (macOS has no /proc, containers may hide parts of it)
is None.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.model import Machine
from harness.observe.cpu import process_cpu_ns, reaped_ns

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")

PROBE_STEPS = 50_000
PROBE_TIMES = 9
"""About 1 ms each: short enough to be disturbed seldom, and the median of nine passes over it."""

SETTLED_AFTER = 5
"""Attempts at reading processes while none of them comes or goes."""

IRQ_APART = 1e-4
"""Share of busy time in hard interrupts above which the kernel accounts for them apart: where
it counts them by ticks, the tick itself, a hard interrupt, hides nearly all of them."""


@dataclass(frozen=True, slots=True)
class Ticks:
    """Time of all CPUs together since boot, in ticks of the kernel.

    `processes` is what all processes of this machine had outside of interrupts.
    """

    processes: int
    irq: int
    softirq: int
    steal: int
    total: int


@dataclass(frozen=True, slots=True)
class Probe:
    """How long a fixed piece of work took."""

    cpu_ns: int
    wall_ns: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What had been counted at one moment. `ours_ns` is the CPU time of the run's processes."""

    at_ns: int
    ticks: Ticks | None
    ours_ns: int | None
    pressure_us: int | None


def read(pids: Callable[[], Iterable[int]] | None) -> Reading:
    """Read all counters; `pids` lists the run's processes, None when they cannot all be seen."""
    return Reading(
        at_ns=time.monotonic_ns(),
        ticks=_ticks(),
        ours_ns=None if pids is None else spent_ns(pids),
        pressure_us=_pressure_us(),
    )


def compared(
    before: Reading,
    after: Reading,
    probes: tuple[Probe, Probe],
    load_average: float | None,
    late_p99_ns: int | None,
) -> Machine:
    """Return what the machine did between two readings. Pure."""
    elapsed_ns = after.at_ns - before.at_ns
    stalled_us = _less(after.pressure_us, before.pressure_us)
    first, last = probes
    return Machine(
        foreign_cpu_cores=_foreign_cores(before, after),
        steal_pct=_steal_pct(before.ticks, after.ticks),
        pressure_pct=None if stalled_us is None else 1e5 * stalled_us / elapsed_ns,
        load_average=load_average,
        probe_cpu_ratio=last.cpu_ns / first.cpu_ns if first.cpu_ns else None,
        probe_wall_ratio=last.wall_ns / first.wall_ns if first.wall_ns else None,
        generator_late_p99_ms=None if late_p99_ns is None else late_p99_ns / 1e6,
    )


def probe() -> Probe:
    """Do the same work several times, on the CPUs this process is kept to; the median times."""
    runs = [_probe_once() for _ in range(PROBE_TIMES)]
    return Probe(
        cpu_ns=round(statistics.median(each.cpu_ns for each in runs)),
        wall_ns=round(statistics.median(each.wall_ns for each in runs)),
    )


def load_average() -> float | None:
    """Return the mean number of running processes in the last minute."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def spent_ns(pids: Callable[[], Iterable[int]]) -> int:
    """CPU time of living processes and of their children that ended.

    `pids` is asked before and after: a process that ends in between is in its parent's sum
    or not, as it happens. Then it is all read again, a few times at most.
    """
    seen = set(pids())
    for _ in range(SETTLED_AFTER):
        total_ns = sum((process_cpu_ns(pid) or 0) + (reaped_ns(pid) or 0) for pid in seen)
        now = set(pids())
        if now == seen:
            break
        seen = now
    return total_ns


def parse_stat(text: str) -> Ticks:
    """Read /proc/stat (proc(5)): its first line is the sum over all CPUs."""
    user, nice, system, idle, iowait, irq, softirq, steal = map(int, text.split()[1:9])
    processes = user + nice + system
    total = processes + idle + iowait + irq + softirq + steal
    return Ticks(processes, irq, softirq, steal, total)


def parse_pressure_us(text: str) -> int:
    """Read /proc/pressure/cpu: microseconds in which some process waited for a CPU."""
    some = next(line for line in text.splitlines() if line.startswith("some "))
    return int(some.rpartition("total=")[2])


def _foreign_cores(before: Reading, after: Reading) -> float | None:
    ours_ns = _less(after.ours_ns, before.ours_ns)
    if before.ticks is None or after.ticks is None or ours_ns is None:
        return None
    busy_ns = _busy(before.ticks, after.ticks) * 1e9 / TICKS_A_SECOND
    return max(0.0, busy_ns - ours_ns) / (after.at_ns - before.at_ns)


def _busy(before: Ticks, after: Ticks) -> int:
    """Return what processes are charged for, in ticks.

    Where interrupts are accounted for apart they are not charged for them, and those of
    the run's own packets would pass for somebody else's work.
    """
    busy = after.processes - before.processes
    if after.irq <= IRQ_APART * after.processes:
        busy += after.irq - before.irq + after.softirq - before.softirq
    return busy


def _steal_pct(before: Ticks | None, after: Ticks | None) -> float | None:
    if before is None or after is None or after.total <= before.total:
        return None
    return 100 * (after.steal - before.steal) / (after.total - before.total)


def _less(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else after - before


def _ticks() -> Ticks | None:
    try:
        return parse_stat(Path("/proc/stat").read_text())
    except (OSError, ValueError):
        return None


def _pressure_us() -> int | None:
    try:
        return parse_pressure_us(Path("/proc/pressure/cpu").read_text())
    except (OSError, ValueError, StopIteration):
        return None


def _probe_once() -> Probe:
    cpu_ns, wall_ns = time.thread_time_ns(), time.perf_counter_ns()
    sum(range(PROBE_STEPS))
    return Probe(time.thread_time_ns() - cpu_ns, time.perf_counter_ns() - wall_ns)
