"""Two means and their distance, beside SciPy's own."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from harness.diff.welch import mean, shift

VALUES = st.lists(st.floats(-20, 20), min_size=2, max_size=12)


@given(VALUES, VALUES)
def test_interval_and_p_value_are_those_of_scipy(a: list[float], b: list[float]) -> None:
    assume(all(np.var(each) > 1e-6 for each in (a, b)))  # or SciPy doubts its own digits
    found = shift(mean(a), mean(b))
    theirs = scipy_stats.ttest_ind(b, a, equal_var=False)
    interval = theirs.confidence_interval(0.95)
    assert found.p == pytest.approx(theirs.pvalue, abs=1e-9)
    assert found.half_width is not None
    assert found.size - found.half_width == pytest.approx(interval.low, abs=1e-6)
    assert found.size + found.half_width == pytest.approx(interval.high, abs=1e-6)


@given(VALUES)
def test_the_interval_of_one_mean_is_students(values: list[float]) -> None:
    assume(np.var(values) > 1e-6)
    half = mean(values).half_width
    expected = scipy_stats.t.ppf(0.975, len(values) - 1) * scipy_stats.sem(values)
    assert half == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("a", "b"), [([1.0], [2.0, 3.0]), ([1.0, 2.0], [3.0]), ([1.0], [1.0])])
def test_one_block_leaves_a_shift_without_interval(a: list[float], b: list[float]) -> None:
    found = shift(mean(a), mean(b))
    assert found.size == mean(b).value - mean(a).value
    assert (found.half_width, found.p) == (None, None)


@pytest.mark.parametrize(("b", "p"), [(0.1, 1.0), (0.1 + 1e-15, 1.0), (0.2, 0.0)])
def test_samples_without_scatter_differ_or_do_not(b: float, p: float) -> None:
    found = shift(mean([0.1] * 3), mean([b] * 4))
    assert (found.half_width, found.p) == (0.0, p)


@given(VALUES, VALUES)
def test_the_other_way_round_is_the_same_shift_backwards(a: list[float], b: list[float]) -> None:
    there, back = shift(mean(a), mean(b)), shift(mean(b), mean(a))
    assert there.size == -back.size
    assert there.p == pytest.approx(back.p)
    assert math.isfinite(there.half_width or 0.0)
