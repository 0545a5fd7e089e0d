from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.pace import ARRIVALS_PER_SLICE, Pace, offsets_ns, slice_s

SECOND = 1_000_000_000
PACES = st.builds(Pace, rate=st.floats(0.01, 5000), seed=st.text(max_size=20))
STRETCHES = st.integers(0, 1000)
LENGTHS = st.integers(1, SECOND)


def drawn(pace: Pace, stretch: int, length_ns: int) -> list[int]:
    return list(offsets_ns(pace, stretch, length_ns))


@given(PACES, STRETCHES, LENGTHS)
def test_requests_are_due_in_order_and_within_the_stretch(
    pace: Pace, stretch: int, length_ns: int
) -> None:
    offsets = drawn(pace, stretch, length_ns)
    assert all(0 <= each < length_ns for each in offsets)
    assert all(one <= next_one for one, next_one in pairwise(offsets))


@given(PACES, STRETCHES, LENGTHS)
def test_the_same_seed_and_stretch_give_the_same_schedule(
    pace: Pace, stretch: int, length_ns: int
) -> None:
    assert drawn(pace, stretch, length_ns) == drawn(pace, stretch, length_ns)


@given(PACES, STRETCHES, LENGTHS, LENGTHS)
def test_a_longer_stretch_begins_with_the_shorter_one(
    pace: Pace, stretch: int, one_ns: int, other_ns: int
) -> None:
    short, long = sorted((one_ns, other_ns))
    expected = [each for each in drawn(pace, stretch, long) if each < short]
    assert drawn(pace, stretch, short) == expected


# Ten standard deviations of the Poisson count, and of the gaps' mean square.
@pytest.mark.parametrize("rate", [10.0, 250.0, 4000.0])
def test_arrivals_are_a_poisson_process_of_that_rate(rate: float) -> None:
    expected = 20_000
    offsets = drawn(Pace(rate, "seed"), 0, round(expected / rate * SECOND))
    assert abs(len(offsets) - expected) < 10 * expected**0.5
    gaps = [(b - a) * rate / SECOND for a, b in pairwise(offsets)]
    assert sum(gaps) / len(gaps) == pytest.approx(1, abs=0.07)
    assert sum(gap**2 for gap in gaps) / len(gaps) == pytest.approx(2, abs=0.35)


def test_each_stretch_and_each_seed_is_drawn_anew() -> None:
    schedules = [
        tuple(drawn(Pace(1000.0, seed), stretch, SECOND))
        for seed in ("a", "b")
        for stretch in range(3)
    ]
    assert len(set(schedules)) == 6


@pytest.mark.parametrize(
    ("least_s", "measure_s", "rate", "expected_s"),
    [
        (0.1, 2.0, 1000.0, 0.1),
        (0.1, 2.0, 50.0, 0.4),
        (0.1, 2.0, 1.0, 2.0),  # one stretch, however few requests: measuring is not longer
        (0.1, 0.1, 1.0, 0.1),
    ],
)
def test_a_slice_is_long_enough_for_some_arrivals_and_no_longer_than_measuring(
    least_s: float, measure_s: float, rate: float, expected_s: float
) -> None:
    assert slice_s(least_s, measure_s, rate) == pytest.approx(expected_s)
    assert expected_s in (least_s, measure_s) or expected_s * rate == ARRIVALS_PER_SLICE
