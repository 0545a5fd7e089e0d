"""Every check at its threshold and beyond."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks import Doubts, checked, disturbed, doubts
from harness.model import Distance, Latency, OpenLoop, OpenLoopBlock
from harness.observation import NO_LATENCY, NO_MACHINE, NO_WORK, unmeasured
from harness.results.doubts import MEANINGS
from tests.factories import a_cost, a_key, a_machine, a_work, an_observation, some_errors

CLEAN = Doubts()
NO_P99 = Latency(16.0, 22.4, 23.2, None, 24.0)


def flag(name: str) -> Doubts:
    return Doubts(flags=(name,))


def scheduled(offered_rps: float, schedule_lag_p99_ms: float | None) -> OpenLoopBlock:
    return OpenLoopBlock(OpenLoop(offered_rps, 1.0, 2.0, schedule_lag_p99_ms, 0, 0), "", "")


def invalid(name: str) -> Doubts:
    return Doubts(invalid=(name,))


@pytest.mark.parametrize(
    ("asked_ms", "measured_ms", "found"),
    [
        (0.0, None, CLEAN),
        (5.0, 4.5, CLEAN),
        (5.0, 5.5, CLEAN),
        (5.0, 4.4, flag("rtt")),
        (5.0, 5.6, flag("rtt")),
    ],
)
def test_a_distance_that_is_not_the_one_asked_for_is_flagged(
    asked_ms: float, measured_ms: float | None, found: Doubts
) -> None:
    row = an_observation(a_key(rtt_ms=asked_ms), distance=Distance(measured_ms, 99.0))
    assert doubts(row) == found


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, CLEAN),
        # A mean latency of 2 ms in windows of 100 ms widens the bounds by 0.02.
        ({"mean_ms": 2.0, "littles_law": 0.9301}, CLEAN),
        ({"mean_ms": 2.0, "littles_law": 1.0399}, CLEAN),
        ({"mean_ms": 2.0, "littles_law": 0.9299}, invalid("littles_law")),
        ({"mean_ms": 2.0, "littles_law": 1.0401}, invalid("littles_law")),
        ({"littles_law": 0.0}, invalid("littles_law")),
        ({"littles_law": None}, CLEAN),
        ({"generator_busy": 0.80}, CLEAN),
        ({"generator_busy": 0.81}, flag("generator")),
        ({"generator_busy": 0.95}, flag("generator")),
        ({"generator_busy": 0.96}, invalid("generator")),
        ({"generator_busy": None}, CLEAN),
        ({"lag_p99_ms": 1.0}, CLEAN),
        ({"lag_p99_ms": 1.01}, flag("lag")),
        ({"lag_p99_ms": 10.0}, flag("lag")),
        ({"lag_p99_ms": 10.1}, invalid("lag")),
        ({"machine": a_machine(generator_late_p99_ms=10.0)}, CLEAN),
        ({"machine": a_machine(generator_late_p99_ms=10.1)}, invalid("lag")),
        ({"machine": a_machine(foreign_cpu_cores=0.10)}, CLEAN),
        ({"machine": a_machine(foreign_cpu_cores=0.11)}, flag("foreign")),
        ({"machine": a_machine(steal_pct=2.0)}, CLEAN),
        ({"machine": a_machine(steal_pct=2.1)}, flag("steal")),
        ({"machine": NO_MACHINE}, CLEAN),
        ({"work": a_work(transactions=1.0, scans=1.0, rows=1.0)}, CLEAN),
        ({"work": a_work(transactions=0.999)}, invalid("work")),
        ({"work": a_work(scans=0.999)}, invalid("work")),
        ({"work": a_work(rows_least=100.0, rows=99.9)}, invalid("work")),
        ({"work": a_work(scans=None, rows=1.0, rows_most=1.0)}, CLEAN),
        ({"work": a_work(scans=None, rows=0.999, rows_most=1.0)}, invalid("work")),
        ({"work": a_work(scans=None, rows=1.002, rows_most=1.001)}, invalid("work")),
        ({"work": NO_WORK}, CLEAN),
        ({"drift": 1.09}, CLEAN),
        ({"drift": 0.91}, CLEAN),
        ({"drift": 1.11}, flag("drift")),
        ({"drift": 0.89}, flag("drift")),
        ({"drift": None}, CLEAN),
        ({"window_s": 0.05}, CLEAN),
        ({"window_s": 0.049}, invalid("window")),
        ({"schedule": "sequential"}, flag("sequential")),
        ({"rps": 970.0, "open_loop": scheduled(1000.0, None)}, CLEAN),
        ({"rps": 969.0, "open_loop": scheduled(1000.0, None)}, flag("rate")),
        ({"rps": None, "open_loop": scheduled(1000.0, None)}, flag("rate")),
        # p99 is 23.8 ms, and p95 23.2.
        ({"open_loop": scheduled(1000.0, 2.37)}, CLEAN),
        ({"open_loop": scheduled(1000.0, 2.39)}, flag("schedule")),
        ({"open_loop": scheduled(1000.0, 2.33), "latency": NO_P99}, flag("schedule")),
        ({"open_loop": scheduled(1000.0, 99.0), "latency": NO_LATENCY}, CLEAN),
        ({"requests": 999, "by_class": some_errors(timeout=1)}, CLEAN),
        ({"requests": 998, "by_class": some_errors(timeout=1)}, flag("errors")),
        ({"requests": 0, "by_class": some_errors(app=5), "littles_law": None}, flag("errors")),
        ({"requests": 0, "by_class": some_errors(), "littles_law": None}, CLEAN),
    ],
)
def test_a_check_speaks_beyond_its_threshold_and_not_at_it(
    fields: dict[str, Any], found: Doubts
) -> None:
    assert doubts(an_observation(**fields)) == found


def test_littles_law_says_nothing_of_a_cell_of_errors() -> None:
    row = an_observation(requests=90, by_class=some_errors(timeout=10), littles_law=0.5)
    assert doubts(row) == flag("errors")


def test_a_fatal_doubt_makes_the_row_invalid_and_keeps_its_numbers() -> None:
    row = an_observation(littles_law=0.5, drift=2.0, generator_busy=0.99)
    found = checked(row)
    assert (found.outcome, found.flags) == ("invalid", "drift")
    assert found.reason == "littles_law; generator"
    assert found.rps == row.rps


def test_a_doubt_that_is_not_fatal_stands_beside_the_number() -> None:
    found = checked(an_observation(drift=2.0, lag_p99_ms=5.0))
    assert (found.outcome, found.flags, found.reason) == ("ok", "lag; drift", "")


@pytest.mark.parametrize("outcome", ["failed", "unsupported", "invalid"])
def test_a_row_without_a_number_is_left_as_it_is(outcome: Any) -> None:
    row = unmeasured(a_key(), 1, "sequential", outcome, "why")
    assert checked(row) == row


NUMBERS = st.none() | st.floats(0, 1e9)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.integers(0, 9), st.integers(0, 9))
def test_every_row_can_be_checked(
    law: float, busy: float, lag: float, drift: float, window_s: float, good: int, bad: int
) -> None:
    row = checked(
        an_observation(
            littles_law=law,
            generator_busy=busy,
            lag_p99_ms=lag,
            drift=drift,
            window_s=window_s,
            requests=good,
            by_class=some_errors(reset=bad),
        )
    )
    assert (row.outcome == "invalid") == bool(row.reason)


@given(st.floats(1, 1e6), st.floats(1, 1e6), st.floats(0, 2), st.floats(0, 5), st.floats(0, 20))
def test_noise_is_judged_by_the_machine_and_never_by_how_fast_a_stack_was(
    rps: float, app_cpu_us: float, foreign: float, steal: float, late_ms: float
) -> None:
    """A check sees one row and no other, so no comparison can sway it."""
    machine = a_machine(foreign_cpu_cores=foreign, steal_pct=steal, generator_late_p99_ms=late_ms)
    one = an_observation(machine=machine)
    other = an_observation(machine=machine, rps=rps, cost=a_cost(app_cpu_us=app_cpu_us))
    assert doubts(one) == doubts(other)
    assert disturbed([checked(one)]) == disturbed([checked(other)]) == (foreign > 0.1)


def test_only_the_last_block_says_whether_it_was_disturbed() -> None:
    noisy = a_machine(foreign_cpu_cores=1.0)
    rows = [checked(an_observation(block=1, machine=noisy)), an_observation(block=2)]
    assert disturbed(rows[:1])
    assert not disturbed(rows)
    assert not disturbed([])


def test_every_doubt_has_its_words() -> None:
    bad = an_observation(
        drift=2.0,
        lag_p99_ms=50.0,
        generator_busy=0.99,
        window_s=0.01,
        schedule="sequential",
        machine=a_machine(foreign_cpu_cores=1.0, steal_pct=9.0),
        work=a_work(transactions=0.0),
    )
    failing = an_observation(by_class=some_errors(reset=999), generator_busy=0.9, lag_p99_ms=2.0)
    behind = an_observation(a_key(rate=2000.0), open_loop=scheduled(2000.0, 9.0), littles_law=0.5)
    elsewhere = an_observation(a_key(rtt_ms=5.0), distance=Distance(9.0, 9.0))
    found = [doubts(each) for each in (bad, failing, behind, elsewhere)]
    names = {name for each in found for name in (*each.flags, *each.invalid)}
    # One is found before there is load, the others of a ratio.
    assert names == MEANINGS.keys() - {"same_answer", "fragile", "wander"}


def test_every_doubt_is_in_the_documentation() -> None:
    text = (Path(__file__).parents[1] / "docs" / "results.md").read_text()
    for name in MEANINGS:
        assert f"`{name}`" in text
