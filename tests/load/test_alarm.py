import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvloop

from harness.load.alarm import Alarm, FileAlarm, LoopAlarm, alarm, sleep

MS = 1_000_000
Make = Callable[[Callable[[], None]], Alarm]
KINDS = [
    LoopAlarm,
    pytest.param(FileAlarm, marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux's")),
]
RUNS = [asyncio.run, uvloop.run]


async def rung(make: Make, *afters_ms: float) -> list[int]:
    """Set an alarm again each time it rings; when it rang, in ns after it was to."""
    lags_ns: list[int] = []
    left = list(afters_ms)
    done = asyncio.get_running_loop().create_future()
    due_ns = 0

    def next_one() -> None:
        nonlocal due_ns
        if left:
            due_ns = time.monotonic_ns() + round(left.pop(0) * MS)
            clock.set(due_ns)
        else:
            done.set_result(None)

    def ring() -> None:
        lags_ns.append(time.monotonic_ns() - due_ns)
        next_one()

    clock = make(ring)
    next_one()
    await asyncio.wait_for(done, 30)
    clock.close()
    return lags_ns


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("make", KINDS)
def test_an_alarm_rings_once_for_each_time_it_is_set_and_never_early(
    run: object, make: Make
) -> None:
    assert callable(run)
    lags_ns = run(rung(make, 0.1, 3.3, 0.7, 1.5, 0.0, 20.2))
    assert len(lags_ns) == 6
    assert min(lags_ns) >= 0


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("make", KINDS)
def test_a_moment_that_has_passed_rings_at_once(run: object, make: Make) -> None:
    assert callable(run)
    assert len(run(rung(make, -1000.0, -1.0, -0.1))) == 3


@pytest.mark.parametrize("make", KINDS)
def test_setting_it_again_moves_it(make: Make) -> None:
    async def moved() -> int:
        rang_ns: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        clock = make(lambda: rang_ns.set_result(time.monotonic_ns()))
        now_ns = time.monotonic_ns()
        clock.set(now_ns + 10_000 * MS)
        clock.set(now_ns + 5 * MS)
        try:
            return await asyncio.wait_for(rang_ns, 8) - now_ns
        finally:
            clock.close()

    assert uvloop.run(moved()) >= 5 * MS


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there are no timers that are files")
def test_linux_gets_the_finer_one() -> None:
    async def made() -> Alarm:
        clock = alarm(lambda: None)
        clock.close()
        return clock

    assert isinstance(uvloop.run(made()), FileAlarm)


def test_without_timers_that_are_files_the_loops_own_do(monkeypatch: pytest.MonkeyPatch) -> None:
    async def made() -> Alarm:
        clock = alarm(lambda: None)
        clock.close()
        return clock

    monkeypatch.setattr("sys.platform", "darwin")
    assert isinstance(asyncio.run(made()), LoopAlarm)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.0003, 0.012])
def test_sleeping_takes_at_least_its_time(run: object, seconds: float) -> None:
    async def slept_s() -> float:
        begun_ns = time.monotonic_ns()
        await asyncio.wait_for(sleep(seconds), 30)
        return (time.monotonic_ns() - begun_ns) / 1e9

    assert callable(run)
    assert run(slept_s()) >= seconds


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there are no timers that are files")
@pytest.mark.parametrize("run", RUNS)
def test_a_sleep_that_is_cut_short_leaves_no_timer_open(run: object) -> None:
    def timers() -> int:
        return sum("[timerfd]" in str(each.readlink()) for each in descriptors())

    async def cut_short() -> tuple[int, int]:
        asleep = asyncio.create_task(sleep(1000.0))
        await asyncio.sleep(0)
        before = timers()
        asleep.cancel()
        await asyncio.wait([asleep])
        return before, timers()

    assert callable(run)
    assert run(cut_short()) == (1, 0)


def descriptors() -> Iterator[Path]:
    """Yield those of this process; the one that lists them is gone by then."""
    return (each for each in list(Path("/proc/self/fd").iterdir()) if each.is_symlink())
