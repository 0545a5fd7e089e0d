"""What else the machine did: arithmetic on readings, and real processes that burn."""

import os
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from harness.observe import noise
from harness.observe.noise import Probe, Reading, Ticks, compared, parse_pressure_us, parse_stat

SECOND_NS = 1_000_000_000
TICK_S = 1 / noise.TICKS_A_SECOND

BURN = "import sys, time\nwhile time.process_time() < float(sys.argv[1]): pass\n"

BEFORE = Reading(0, Ticks(100_000, 0, 50, 10, 400_000), 5 * SECOND_NS, 1_000_000)
PROBES = (Probe(1_000, 1_100), Probe(1_500, 2_200))


def after(*, seconds: int = 10, ticks: Ticks | None, ours_s: float | None) -> Reading:
    return Reading(
        seconds * SECOND_NS,
        ticks,
        None if ours_s is None else BEFORE.ours_ns + round(ours_s * SECOND_NS),  # type: ignore[operator]
        3_500_000,
    )


def later(busy_s: float, *, irq_s: float = 0.0, soft_s: float = 0.0, steal_s: float = 0.0) -> Ticks:
    assert BEFORE.ticks is not None
    a_second = noise.TICKS_A_SECOND
    return Ticks(
        BEFORE.ticks.processes + round(busy_s * a_second),
        BEFORE.ticks.irq + round(irq_s * a_second),
        BEFORE.ticks.softirq + round(soft_s * a_second),
        BEFORE.ticks.steal + round(steal_s * a_second),
        BEFORE.ticks.total + 20 * a_second,
    )


@pytest.mark.parametrize(
    ("ticks", "ours_s", "cores"),
    [
        (later(12.0), 12.0, 0.0),
        (later(12.0), 7.0, 0.5),
        (later(12.0), 13.0, 0.0),  # clocks that disagree make no negative neighbour
        (later(11.0, soft_s=1.0), 7.0, 0.5),  # processes are charged for interrupts
        (later(12.0, irq_s=1.0, soft_s=1.0), 7.0, 0.5),  # or they are not
        (None, 7.0, None),
        (later(12.0), None, None),
    ],
)
def test_foreign_cpu_is_what_nobody_of_ours_used(
    ticks: Ticks | None, ours_s: float | None, cores: float | None
) -> None:
    found = compared(BEFORE, after(ticks=ticks, ours_s=ours_s), PROBES, 1.5, None)
    assert found.foreign_cpu_cores == (None if cores is None else pytest.approx(cores, abs=1e-6))


def test_steal_and_pressure_are_shares_of_the_blocks_time() -> None:
    found = compared(BEFORE, after(ticks=later(12.0, steal_s=0.5), ours_s=1.0), PROBES, 1.5, 7_000)
    assert found.steal_pct == pytest.approx(2.5)
    assert found.pressure_pct == pytest.approx(25.0)
    assert (found.load_average, found.generator_late_p99_ms) == (1.5, 0.007)
    assert (found.probe_cpu_ratio, found.probe_wall_ratio) == (1.5, 2.0)


def test_what_a_platform_does_not_tell_is_empty_and_not_zero() -> None:
    before, last = (
        replace(each, ticks=None, pressure_us=None)
        for each in (BEFORE, after(ticks=None, ours_s=1))
    )
    found = compared(before, last, PROBES, None, None)
    assert (found.foreign_cpu_cores, found.steal_pct, found.pressure_pct) == (None, None, None)
    assert (found.load_average, found.generator_late_p99_ms) == (None, None)


def test_proc_stat_is_read_by_its_columns() -> None:
    text = "cpu  1 20 300 4000 50000 600000 7000000 80000000 3 4\ncpu0 1 1 1 1 1 1 1 1 1 1\n"
    assert parse_stat(text) == Ticks(321, 600_000, 7_000_000, 80_000_000, 87_654_321)


def test_pressure_is_the_time_in_which_some_waited() -> None:
    text = (
        "some avg10=9.76 avg60=12.73 avg300=30.51 total=4147960831\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
    )
    assert parse_pressure_us(text) == 4_147_960_831


def test_the_probe_takes_time() -> None:
    found = noise.probe()
    assert 0 < found.cpu_ns <= found.wall_ns * 1.1


def ours() -> list[int]:
    return [os.getpid(), *(each.pid for each in psutil.Process().children(recursive=True))]


def burn(seconds: float) -> None:
    subprocess.run([sys.executable, "-c", BURN, str(seconds)], check=True)


def test_a_child_that_ended_is_counted_with_its_parent() -> None:
    before = noise.spent_ns(ours)
    burn(0.3)
    assert noise.spent_ns(ours) - before >= 0.3 * SECOND_NS - 2 * TICK_S * SECOND_NS


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_process_that_is_not_ours_is_foreign_and_one_of_ours_is_not() -> None:
    """Whatever else runs here can only add to what is foreign, and not while we burn alone."""
    first = noise.read(list)
    burn(0.5)
    last = noise.read(list)
    found = compared(first, last, PROBES, None, None)
    assert found.foreign_cpu_cores is not None
    assert found.foreign_cpu_cores * (last.at_ns - first.at_ns) / SECOND_NS >= 0.5 - 0.15

    known = replace(first, ours_ns=0), replace(last, ours_ns=SECOND_NS // 2)
    less = compared(*known, PROBES, None, None).foreign_cpu_cores
    assert less is not None
    assert less < found.foreign_cpu_cores
