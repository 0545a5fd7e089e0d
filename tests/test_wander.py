"""What follows each other in time: such blocks are worth one, and the ratio says so."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from harness import parts, stats
from harness.diff.welch import mean
from harness.model import Comparison, Observation
from harness.parts import PARTS
from harness.results.figures import verdict_text
from tests.factories import a_key, a_slice, blocks

OTHER = a_key(stack="other", adapter="asyncpg_pool")
CLIMB = [2.5, 2.55, 2.6, 2.62, 2.7, 2.75, 2.8, 2.82, 2.9]
MIXED = [2.7, 2.5, 2.82, 2.6, 2.9, 2.55, 2.8, 2.62, 2.75]
"""The same, in another order."""


def against_base(
    ratios: Sequence[float],
    machine: Sequence[float] | None = None,
    courses: Sequence[Sequence[str]] = (),
) -> Comparison:
    """Return the comparison by req/s of a stack whose blocks have `ratios` to the baseline's.

    `courses` are how the blocks of the baseline went, and those of the stack.
    """
    base = machine or [1000.0] * len(ratios)
    mine = [rate * ratio for rate, ratio in zip(base, ratios, strict=True)]
    sides = [blocks(base), blocks(mine, OTHER)]
    for rows, went in zip(sides, courses, strict=False):
        rows[:] = map(going, rows, went)
    cells = dict(zip((a_key(), OTHER), sides, strict=True))
    return stats.comparisons(cells, lambda _: "base", 3)[0]


def going(row: Observation, text: str) -> Observation:
    return replace(row, parts=text)


def course(source: np.random.Generator, slow: float = 0.0, *, common: float = 0.0) -> str:
    """Return how a block went: noise of 3 %, and what lasts for a quarter of it or longer."""
    mood = np.repeat(source.normal(0, slow, 4), PARTS // 4) if slow else 0.0
    rates = 1000 * np.exp(source.normal(0, 0.03, PARTS) + mood + common * np.arange(PARTS))
    return parts.of([a_slice(requests=int(each)) for each in rates])


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


# Within blocks, while the same servers are up


def test_a_ratio_that_moves_while_the_same_servers_are_up_is_doubted() -> None:
    source = np.random.default_rng(1)
    steady, moved = ([course(source, slow) for _ in MIXED] for slow in (0.0, 0.05))
    assert against_base(MIXED, courses=(steady, moved)).flags == "wander"
    assert against_base(MIXED, courses=(moved, steady)).flags == "wander"
    assert against_base(MIXED, courses=(steady, steady[::-1])).flags == ""


def test_a_machine_that_moves_under_both_alike_is_not() -> None:
    source = np.random.default_rng(1)
    both = [[course(source, common=0.02) for _ in MIXED] for _ in range(2)]
    assert against_base(MIXED, courses=both).flags == ""


def test_three_blocks_are_enough_to_see_it_and_are_then_worth_one() -> None:
    source = np.random.default_rng(1)
    steady, moved = ([course(source, slow) for _ in range(3)] for slow in (0.0, 0.1))
    found = against_base(MIXED[:3], courses=(steady, moved))
    scatter = float(np.log(MIXED[:3]).std(ddof=1))
    assert found.flags == "wander"
    assert half_width(found) == pytest.approx(scipy_stats.t.ppf(0.975, 2) * scatter)


def test_what_comes_and_goes_within_a_block_is_averaged_there_and_no_reason_for_doubt() -> None:
    source = np.random.default_rng(1)
    alike = [2.7 * float(np.exp(each)) for each in source.normal(0, 0.006, 9)]
    steady, moved = ([course(source, slow) for _ in MIXED] for slow in (0.0, 0.05))
    assert against_base(alike, courses=(steady, moved)).flags == ""


def test_launches_that_differ_while_each_goes_on_as_it_began_are_no_reason_either() -> None:
    source = np.random.default_rng(1)
    steady = [[course(source) for _ in MIXED] for _ in range(2)]
    assert against_base([each**2 for each in MIXED], courses=steady).flags == ""


def test_only_blocks_that_both_sides_know_are_asked() -> None:
    source = np.random.default_rng(1)
    steady, moved = ([course(source, slow) for _ in MIXED] for slow in (0.0, 0.1))
    assert against_base(MIXED, courses=(steady, [""] * 9)).flags == ""
    assert against_base(MIXED, courses=([""] * 6 + steady[6:], moved)).flags == "wander"
    assert against_base(MIXED, courses=([""] * 6 + steady[6:], moved[:6] + [""] * 3)).flags == ""


@pytest.mark.parametrize("count", [2, 3, 14])
@pytest.mark.parametrize("spread", [0.0, 2.0])
def test_parts_that_only_scatter_set_a_bound_one_time_in_thirty_and_break_it_hardly_ever(
    count: int, spread: float
) -> None:
    source = np.random.default_rng(1)
    scatter = np.exp(source.normal(0, spread, (8_000, count, 1)))  # of each block its own
    values = scatter * source.normal(0, 1, (8_000, count, PARTS))
    bounds = stats.bound(*stats.course(values))
    assert 0.02 < np.mean(np.isfinite(bounds)) < 0.045
    assert np.mean(values.mean(axis=2).var(axis=1, ddof=1) > bounds) < 0.007


@pytest.mark.parametrize("count", [2, 3, 14])
def test_blocks_that_noise_explains_are_beyond_the_bound_one_time_in_forty(count: int) -> None:
    source = np.random.default_rng(1)
    values = source.normal(0, 1, (8_000, count, PARTS))
    _, noise = stats.course(values)
    bounds = stats.bound(np.full_like(noise, 9.0), noise)
    assert 0.017 < np.mean(values.mean(axis=2).var(axis=1, ddof=1) > bounds) < 0.033


def test_how_independent_parts_follow_each_other_is_zero_on_average_and_scatters_by_one() -> None:
    follows, _ = stats.course(np.random.default_rng(1).normal(0, 1, (20_000, PARTS)))
    assert abs(follows.mean()) < 0.02
    assert follows.std() == pytest.approx(1.0, abs=0.02)


def test_one_odd_part_is_no_reason_to_think_that_parts_follow_each_other() -> None:
    source = np.random.default_rng(1)
    odd = source.normal(0, 1, PARTS) + 20 * (np.arange(PARTS) == 3)
    follows, _ = stats.course(source.permuted(np.tile(odd, (20_000, 1)), axis=1))
    assert abs(follows.mean()) < 0.02
    assert follows.std() < 1.0


def test_one_block_and_parts_that_agree_but_for_rounding_set_no_bound() -> None:
    rising = np.arange(PARTS, dtype=float)
    alike = np.full((3, PARTS), 0.1) + 1e-15 * rising
    for values in (rising[None], alike):
        assert stats.bound(*stats.course(values)) == math.inf


@given(st.lists(st.floats(-1.0, 1.0), min_size=2, max_size=20), st.floats(0.0, 1.0))
def test_a_comparison_of_runs_has_the_bound_of_a_report(logs: list[float], bound: float) -> None:
    assume(abs(float(np.var(logs, ddof=1)) - bound) > 1e-9)
    report = stats.log_interval([math.exp(each) for each in logs], bound=bound)
    found = mean(logs, bound=bound)
    assert found.half_width == pytest.approx(report.half_width, abs=1e-9)
    assert found.wander == report.wander


def test_nobody_is_told_how_many_more_blocks_would_settle_it() -> None:
    unclear = [against_base([ratio / 2.6 for ratio in each]) for each in (CLIMB, MIXED)]
    assert [each.verdict for each in unclear] == ["unclear", "unclear"]
    wandering, noisy = (verdict_text(each, len(CLIMB)) for each in unclear)
    assert wandering == "unclear"
    assert noisy.startswith("unclear (")
