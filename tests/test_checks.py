"""Every check at its threshold and beyond."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checks import Doubts, checked, doubts
from harness.model import Latency, OpenLoop, OpenLoopBlock
from harness.observation import NO_LATENCY, unmeasured
from tests.factories import a_key, an_observation, some_errors

CLEAN = Doubts()
NO_P99 = Latency(16.0, 22.4, 23.2, None, 24.0)


def flag(name: str) -> Doubts:
    return Doubts(flags=(name,))


def scheduled(offered_rps: float, schedule_lag_p99_ms: float | None) -> OpenLoopBlock:
    return OpenLoopBlock(OpenLoop(offered_rps, 1.0, 2.0, schedule_lag_p99_ms, 0, 0), "", "")


def invalid(name: str) -> Doubts:
    return Doubts(invalid=(name,))


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
        ({"requests": 99, "by_class": some_errors(timeout=1)}, CLEAN),
        ({"requests": 98, "by_class": some_errors(timeout=1)}, flag("errors")),
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


@settings(deadline=None)
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
