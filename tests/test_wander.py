"""Blocks that follow each other in time: they are worth one, and the ratio says so."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from harness import stats
from harness.diff.welch import mean
from harness.model import Comparison
from harness.results.figures import verdict_text
from tests.factories import a_key, blocks

OTHER = a_key(stack="other", adapter="asyncpg_pool")
CLIMB = [2.5, 2.55, 2.6, 2.62, 2.7, 2.75, 2.8, 2.82, 2.9]
MIXED = [2.7, 2.5, 2.82, 2.6, 2.9, 2.55, 2.8, 2.62, 2.75]
"""The same, in another order."""


def against_base(ratios: Sequence[float], machine: Sequence[float] | None = None) -> Comparison:
    """Return the comparison by req/s of a stack whose blocks have `ratios` to the baseline's."""
    base = machine or [1000.0] * len(ratios)
    mine = [rate * ratio for rate, ratio in zip(base, ratios, strict=True)]
    cells = {a_key(): blocks(base), OTHER: blocks(mine, OTHER)}
    return stats.comparisons(cells, lambda _: "base", 3)[0]


def half_width(pair: Comparison) -> float:
    assert pair.lo is not None
    assert pair.hi is not None
    return math.log(pair.hi / pair.lo) / 2


def test_a_ratio_that_climbs_from_block_to_block_is_doubted() -> None:
    assert against_base(CLIMB).flags == "wander"


def test_the_same_ratios_in_no_order_are_not() -> None:
    assert against_base(MIXED).flags == ""


def test_blocks_that_wander_are_worth_one_of_them() -> None:
    scatter = float(np.log(CLIMB).std(ddof=1))
    expected = scipy_stats.t.ppf(0.975, len(CLIMB) - 1) * scatter
    assert half_width(against_base(CLIMB)) == pytest.approx(expected)
    assert half_width(against_base(MIXED)) == pytest.approx(expected / math.sqrt(len(CLIMB)))


def test_a_verdict_is_of_the_wider_interval() -> None:
    near = [ratio / 2.6 for ratio in CLIMB]
    assert (against_base(near).verdict, against_base(near).flags) == ("unclear", "wander")
    shuffled = against_base([ratio / 2.5 for ratio in MIXED])
    assert shuffled.verdict == "faster"


def test_a_machine_that_climbs_under_both_does_not_make_their_ratio_wander() -> None:
    machine = [1000.0 * ratio for ratio in CLIMB]
    assert against_base(MIXED, machine).flags == ""


@pytest.mark.parametrize("count", range(1, 8))
def test_too_few_blocks_to_tell_are_taken_as_they_are(count: int) -> None:
    assert against_base(CLIMB[:count]).flags == ""


def test_blocks_that_agree_but_for_rounding_do_not_wander() -> None:
    assert against_base([2.5 + each * 1e-15 for each in range(12)]).flags == ""


@pytest.mark.parametrize("count", [8, 13, 30])
def test_one_in_forty_of_independent_samples_is_said_to_wander(count: int) -> None:
    samples = np.exp(np.random.default_rng(1).normal(0, 0.02, (4_000, count)))
    said = [each.wander for each in stats.log_intervals(samples.tolist(), in_order=True)]
    assert 0.015 < np.mean(said) < 0.032


@given(st.lists(st.floats(0.5, 2.0), min_size=8, max_size=20))
def test_no_interval_of_blocks_in_order_is_narrower_than_without(ratios: list[float]) -> None:
    taken, doubted = (stats.log_interval(ratios, in_order=each) for each in (False, True))
    assert taken.half_width is not None
    assert doubted.half_width is not None
    assert doubted.mean == taken.mean
    assert doubted.half_width >= taken.half_width
    assert (doubted.half_width > taken.half_width * 1.01) == doubted.wander


@given(st.lists(st.floats(-1.0, 1.0), min_size=8, max_size=20))
def test_a_comparison_of_runs_takes_blocks_for_what_a_report_does(logs: list[float]) -> None:
    report = stats.log_interval([math.exp(each) for each in logs], in_order=True)
    assert mean(logs, in_order=True).half_width == pytest.approx(report.half_width, abs=1e-9)


def test_nobody_is_told_how_many_more_blocks_would_settle_it() -> None:
    unclear = [against_base([ratio / 2.6 for ratio in each]) for each in (CLIMB, MIXED)]
    assert [each.verdict for each in unclear] == ["unclear", "unclear"]
    wandering, noisy = (verdict_text(each, len(CLIMB)) for each in unclear)
    assert wandering == "unclear"
    assert noisy.startswith("unclear (")
