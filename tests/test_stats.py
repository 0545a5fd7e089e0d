"""Summaries, intervals and verdicts, against SciPy and against method."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from harness import histogram, stats
from harness.model import (
    Capacity,
    CapacityLimit,
    CapacitySummary,
    Comparison,
    Distance,
    Key,
    Observation,
    Verdict,
)
from harness.observation import NO_COST, NO_LATENCY, unmeasured
from tests.factories import a_cost, a_key, an_observation, blocks, some_errors

BASE = a_key()
OTHER = a_key(stack="other", adapter="asyncpg_pool")
POSITIVE = st.floats(0.1, 1e6)


def cpu(costs: Sequence[float | None], key: Key = BASE) -> list[Observation]:
    return [
        an_observation(key, block, cost=a_cost(app_cpu_us=each))
        for block, each in enumerate(costs, 1)
    ]


def compared(
    *cells: list[Observation], base: list[Observation], min_blocks: int = 3
) -> list[Comparison]:
    rows = {rows[0].key: rows for rows in (base, *cells)}
    return stats.comparisons(rows, lambda _: "base", min_blocks)


def verdict(ratios: Sequence[float], min_blocks: int = 3) -> Verdict:
    """Return the verdict on req/s of a stack with `ratios` to a baseline that drifts."""
    drifting = [1000.0 * (1 + 0.2 * block) for block in range(len(ratios))]
    base = blocks(drifting)
    other = blocks([rate * ratio for rate, ratio in zip(drifting, ratios, strict=True)], OTHER)
    (found, *_) = compared(other, base=base, min_blocks=min_blocks)
    assert found.metric == "rps"
    return found.verdict


# Intervals


@given(st.lists(POSITIVE, min_size=2, max_size=12))
def test_the_interval_is_scipys_t_interval_of_the_logs(values: list[float]) -> None:
    found = stats.log_interval(values)
    logs = np.log(values)
    assert found.mean == pytest.approx(scipy_stats.gmean(values))
    assert found.n == len(values)
    assert found.lo is not None
    assert found.hi is not None
    if logs.std() > 1e-9:
        lo, hi = scipy_stats.t.interval(
            0.95, len(values) - 1, loc=logs.mean(), scale=scipy_stats.sem(logs)
        )
        assert [found.lo, found.hi] == pytest.approx([math.exp(lo), math.exp(hi)])
        assert found.half_width == pytest.approx((hi - lo) / 2)


@given(POSITIVE)
def test_one_block_has_a_value_and_no_interval(value: float) -> None:
    found = stats.log_interval([value])
    assert found.mean == pytest.approx(value)
    assert (found.lo, found.hi, found.half_width) == (None, None, None)


def test_blocks_that_agree_to_the_digit_have_an_interval_of_no_width() -> None:
    found = stats.log_interval([2.0, 2.0, 2.0])
    assert (found.lo, found.hi, found.half_width) == (found.mean, found.mean, 0.0)


# Summaries


def test_blocks_are_ordered_and_kept_by_cell() -> None:
    rows = [an_observation(BASE, 2), an_observation(OTHER, 1), an_observation(BASE, 1)]
    cells = stats.by_cell(rows)
    assert [row.block for row in cells[BASE]] == [1, 2]
    assert [row.block for row in cells[OTHER]] == [1]


def test_a_summary_is_of_the_blocks_that_have_a_number() -> None:
    rows = blocks([1000.0, None, 1100.0])
    found = stats.summarise(rows)
    assert (found.outcome, found.blocks, found.requests) == ("ok", 2, 4000)
    assert found.rps == pytest.approx(math.sqrt(1000 * 1100))
    assert found.flags == "failed: no start (1 of 3 blocks)"


def test_an_invalid_block_gives_nothing_but_its_reason() -> None:
    bad = replace(an_observation(BASE, 2, rps=9e9), outcome="invalid", reason="littles_law")
    found = stats.summarise([an_observation(BASE, 1), bad])
    assert found.blocks == 1
    assert found.rps == pytest.approx(1000.0)
    assert found.flags == "invalid: littles_law (1 of 2 blocks)"


def test_a_cell_that_never_had_a_number_says_what_happened_last() -> None:
    rows = [
        unmeasured(BASE, 1, "interleaved", "failed", "no start"),
        unmeasured(BASE, 2, "interleaved", "unsupported", "no books"),
    ]
    found = stats.summarise(rows)
    assert (found.outcome, found.blocks, found.requests) == ("unsupported", 0, 0)
    assert (found.rps, found.rps_lo, found.rps_hi, found.error_pct) == (None, None, None, None)
    assert (found.latency, found.cost, found.littles_law) == (NO_LATENCY, NO_COST, None)
    assert found.flags == "no books (1 of 2 blocks); no start (1 of 2 blocks)"


def test_flags_of_all_blocks_are_said_once() -> None:
    rows = [an_observation(BASE, n, flags="drift; lag" if n < 3 else "drift") for n in (1, 2, 3)]
    assert stats.summarise(rows).flags == "drift; lag (2 of 3 blocks)"


def errors_only(block: int) -> Observation:
    return an_observation(
        BASE,
        block,
        requests=0,
        rps=0.0,
        by_class=some_errors(pool_timeout=7),
        latency=NO_LATENCY,
        latencies="",
        cost=a_cost(app_cpu_us=None),
        littles_law=None,
    )


def test_a_cell_of_errors_only_has_a_rate_of_zero() -> None:
    found = stats.summarise([errors_only(1), errors_only(2)])
    assert (found.outcome, found.blocks, found.requests) == ("ok", 2, 0)
    assert (found.rps, found.rps_lo, found.rps_hi) == (0.0, None, None)
    assert (found.errors, found.error_pct, found.by_class.err_pool_timeout) == (14, 100.0, 14)
    assert found.latency == NO_LATENCY
    assert found.cost.app_cpu_us is None


def test_a_block_of_errors_only_lowers_the_rate_and_leaves_no_interval() -> None:
    found = stats.summarise([an_observation(BASE, 1), errors_only(2)])
    assert (found.rps, found.rps_lo, found.rps_hi) == (500.0, None, None)
    assert found.error_pct == pytest.approx(100 * 7 / 2007)


def test_a_cell_without_a_valid_block_failed_as_often_as_it_answered() -> None:
    row = replace(
        an_observation(BASE, 1),
        outcome="invalid",
        requests=1990,
        by_class=some_errors(reset=10),
    )
    found = stats.summarise([row])
    assert (found.requests, found.errors) == (0, 10)
    assert found.error_pct == pytest.approx(0.5)


def test_a_measured_block_without_a_request_is_a_rate_of_zero_not_a_gap() -> None:
    found = stats.summarise([replace(errors_only(1), by_class=some_errors())])
    assert (found.outcome, found.rps, found.error_pct) == ("ok", 0.0, None)


def test_errors_of_a_failed_cell_are_its_result() -> None:
    row = unmeasured(BASE, 1, "interleaved", "failed", "no answer")
    found = stats.summarise([replace(row, by_class=some_errors(timeout=16))])
    assert (found.outcome, found.errors, found.error_pct) == ("failed", 16, 100.0)


def test_error_percent_is_of_all_that_was_asked() -> None:
    rows = [an_observation(BASE, n, requests=98, by_class=some_errors(reset=2)) for n in (1, 2)]
    assert stats.summarise(rows).error_pct == pytest.approx(2.0)


def test_percentiles_are_of_all_latencies_of_the_cell() -> None:
    def row(block: int, latency_ms: float, count: int) -> Observation:
        bins = histogram.counts(np.full(count, int(latency_ms * 1e6)))
        return an_observation(BASE, block, requests=count, latencies=histogram.encode(bins))

    latency = stats.summarise([row(1, 1.0, 9000), row(2, 50.0, 1000)]).latency
    assert latency.p50_ms == pytest.approx(1.0, rel=0.004)
    assert latency.p90_ms == pytest.approx(1.0, rel=0.004)
    assert latency.p95_ms == pytest.approx(50.0, rel=0.004)
    assert latency.p99_ms == pytest.approx(50.0, rel=0.004)


@pytest.mark.parametrize(("requests", "blank"), [([1000, 1000], False), ([5000, 999], True)])
def test_p99_is_blank_when_a_block_had_under_a_thousand(requests: list[int], blank: bool) -> None:
    rows = [an_observation(BASE, n, requests=each) for n, each in enumerate(requests, 1)]
    assert (stats.summarise(rows).latency.p99_ms is None) == blank


def test_a_distance_is_the_mean_over_blocks_and_none_where_there_was_none() -> None:
    rows = [
        an_observation(BASE, 1, distance=Distance(4.5, 5.5)),
        an_observation(BASE, 2, distance=Distance(5.5, None)),
    ]
    assert stats.summarise(rows).distance == Distance(5.0, 5.5)
    assert stats.summarise([an_observation(BASE)]).distance == Distance()


def at_capacity(*found: tuple[float, int, CapacityLimit]) -> list[Observation]:
    return [
        an_observation(BASE, block, rps=rps, capacity=Capacity(rps, concurrency, limit))
        for block, (rps, concurrency, limit) in enumerate(found, 1)
    ]


def test_a_capacity_is_the_mean_over_blocks_over_the_median_of_connections() -> None:
    rows = at_capacity((900.0, 20, "slo"), (1000.0, 24, "slo"), (1100.0, 21, "slo"))
    summary = stats.summarise(rows)
    found = summary.capacity
    assert (found.capacity_rps, found.capacity_rps_lo, found.capacity_rps_hi) == (
        summary.rps,
        summary.rps_lo,
        summary.rps_hi,
    )
    assert (found.capacity_concurrency, found.capacity_limit) == (21, "slo")


@pytest.mark.parametrize("limit", ["connections", "time"])
def test_a_block_that_might_have_found_more_says_so_for_all(limit: CapacityLimit) -> None:
    rows = at_capacity((900.0, 20, "slo"), (1000.0, 24, limit))
    assert stats.summarise(rows).capacity.capacity_limit == limit


def test_a_block_without_a_capacity_is_left_out_of_it() -> None:
    failed = unmeasured(BASE, 2, "interleaved", "failed", "slo: p99 80 ms")
    found = stats.summarise([*at_capacity((900.0, 20, "slo")), failed])
    assert found.capacity.capacity_rps == pytest.approx(900.0)
    assert found.capacity.capacity_concurrency == 20
    assert found.flags == "failed: slo: p99 80 ms (1 of 2 blocks)"
    assert stats.summarise([failed]).capacity == CapacitySummary()


def test_costs_are_means_and_peaks_are_peaks() -> None:
    rows = [
        an_observation(BASE, 1, cost=a_cost(app_cpu_us=100.0, rss_peak_mib=70.0, connections=9)),
        an_observation(BASE, 2, cost=a_cost(app_cpu_us=300.0, rss_peak_mib=80.0, connections=4)),
        an_observation(BASE, 3, cost=NO_COST),
    ]
    cost = stats.summarise(rows).cost
    assert (cost.app_cpu_us, cost.rss_peak_mib, cost.connections) == (200.0, 80.0, 9)


# Ratios


def test_ratios_are_made_within_blocks() -> None:
    base, other = blocks([100.0, 200.0, 400.0]), blocks([110.0, 220.0, 440.0], OTHER)
    found = stats.compare(other, base, "rps")
    assert found is not None
    assert found.mean == pytest.approx(1.1)
    assert found.half_width == pytest.approx(0.0, abs=1e-12)


def test_only_blocks_that_both_have_are_compared() -> None:
    base, other = blocks([100.0, None, 100.0]), blocks([None, 700.0, 150.0], OTHER)
    found = stats.compare(other, base, "rps")
    assert found is not None
    assert found.mean == pytest.approx(1.5)
    assert found.n == 1


def test_an_invalid_block_is_compared_with_nothing() -> None:
    bad = [replace(row, outcome="invalid") for row in blocks([100.0], OTHER)]
    assert stats.compare(bad, blocks([100.0]), "rps") is None


@pytest.mark.parametrize(
    ("base", "other"), [([100.0, 0.0], [100.0, 100.0]), ([100.0, 100.0], [100.0, 0.0])]
)
def test_a_block_with_nothing_leaves_no_ratio(base: list[float], other: list[float]) -> None:
    assert stats.compare(blocks(other, OTHER), blocks(base), "rps") is None


def test_cpu_that_could_not_be_read_in_a_block_leaves_the_others() -> None:
    found = stats.compare(cpu([200.0, None], OTHER), cpu([100.0, 100.0]), "app_cpu_us")
    assert found is not None
    assert found.mean == pytest.approx(2.0)
    assert found.n == 1


# Verdicts


@pytest.mark.parametrize(
    ("ratios", "said"),
    [
        ([1.10, 1.11, 1.10, 1.11], "faster"),
        ([0.90, 0.91, 0.90, 0.91], "slower"),
        ([1.00, 1.01, 1.00, 0.99], "tie"),
        ([1.02, 1.021, 1.02, 1.021], "tie"),
        ([0.90, 1.10, 1.30, 1.00], "unclear"),
        ([1.03, 1.04, 1.03, 1.04], "unclear"),
        ([1.30, 1.10, 1.05, 1.02], "unclear"),
        ([1.0, 1.0, 1.0], "tie"),
        ([1.1, 1.1, 1.1], "faster"),
        ([0.9, 0.9, 0.9], "slower"),
        ([1.1, 1.1], ""),
        ([1.1], ""),
    ],
)
def test_a_verdict_needs_an_interval_on_one_side_of_three_per_cent(
    ratios: list[float], said: Verdict
) -> None:
    assert verdict(ratios) == said


def test_no_verdict_on_one_block_however_few_are_asked_for() -> None:
    assert verdict([2.0], min_blocks=1) == ""
    assert verdict([2.0, 2.0], min_blocks=1) == "faster"


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ([90.0, 91.0, 90.0, 91.0], "faster"),
        ([110.0, 111.0, 110.0, 111.0], "slower"),
        ([100.0, 101.0, 99.0, 100.0], "tie"),
    ],
)
def test_less_cpu_is_better(costs: list[float], said: Verdict) -> None:
    rows = compared(cpu(costs, OTHER), base=cpu([100.0] * 4))
    found = {row.metric: row.verdict for row in rows}
    assert found == {"rps": "tie", "app_cpu_us": said}


@pytest.mark.parametrize(("errors", "said"), [(20, "faster"), (21, "")])
@pytest.mark.parametrize("who", ["base", "other"])
def test_more_than_one_per_cent_of_errors_is_no_verdict_on_speed(
    who: str, errors: int, said: Verdict
) -> None:
    failing: dict[str, Any] = {"requests": 1980, "by_class": some_errors(app=errors)}
    base = [replace(row, **failing if who == "base" else {}) for row in blocks([100.0] * 3)]
    other = [
        replace(row, **failing if who == "other" else {}) for row in blocks([200.0] * 3, OTHER)
    ]
    for row in compared(other, base=base):
        assert row.ratio is not None
        if row.metric == "rps":
            assert row.verdict == said
        elif not said:
            assert row.verdict == ""


def test_a_cell_without_a_number_is_a_row_without_a_ratio() -> None:
    rows = compared(blocks([None, None, None], OTHER), base=blocks([100.0] * 3))
    assert [(row.metric, row.ratio, row.lo, row.hi, row.verdict) for row in rows] == [
        ("rps", None, None, None, ""),
        ("app_cpu_us", None, None, None, ""),
    ]


def test_the_baseline_is_compared_with_nothing_and_named_in_every_row() -> None:
    rows = compared(blocks([100.0] * 3, OTHER), base=blocks([100.0] * 3))
    assert {(row.key, row.baseline) for row in rows} == {(OTHER, "base")}


def test_cells_are_compared_within_their_setting() -> None:
    far = replace(OTHER, concurrency=64)
    assert compared(blocks([500.0] * 3, far), base=blocks([100.0] * 3)) == []


def holm(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Return which are rejected, by Holm's adjusted p-values (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    adjusted, worst = np.empty(len(p_values)), 0.0
    for rank, index in enumerate(order):
        worst = max(worst, (len(p_values) - rank) * p_values[index])
        adjusted[index] = worst
    return [bool(each <= alpha) for each in adjusted]


@settings(max_examples=60)
@given(st.data())
def test_several_comparisons_of_a_setting_are_held_to_holm(data: st.DataObject) -> None:
    ratio = st.floats(0.8, 1.25)
    many = data.draw(st.lists(st.lists(ratio, min_size=4, max_size=4), min_size=1, max_size=5))
    keys = [replace(OTHER, stack=f"s{index}") for index in range(len(many))]
    cells = [blocks([1000 * r for r in each], key) for key, each in zip(keys, many, strict=True)]
    found = [row for row in compared(*cells, base=blocks([1000.0] * 4)) if row.metric == "rps"]
    margin = math.log(1.03)
    p_values, beyond = [], []
    for each in many:
        logs = np.log(each)
        error = max(float(scipy_stats.sem(logs)), 1e-15)
        p_values.append(float(scipy_stats.t.sf((abs(logs.mean()) - margin) / error, 3)))
        half = scipy_stats.t.ppf(0.975, 3) * error
        beyond.append(abs(logs.mean()) - half > margin)
    rejected = holm(p_values, 0.025)
    for row, sure, outside in zip(found, rejected, beyond, strict=True):
        assert (row.verdict in ("faster", "slower")) == (sure and outside)


# One-sided p of 0.02 beyond 3 %: enough alone (0.025), not as the first of two (0.0125).
BARELY = [math.exp(0.1 + each) for each in (-0.0349, 0.0349, -0.0349, 0.0349)]
SURELY = [1.5, 1.51, 1.5, 1.51]
WILDLY = [0.8, 1.2, 1.0, 1.1]


@pytest.mark.parametrize(
    ("many", "said"),
    [
        ([BARELY], ["faster"]),
        ([BARELY, WILDLY], ["unclear", "unclear"]),  # the first of two must be twice as sure
        ([BARELY, SURELY], ["faster", "faster"]),  # the second need not: Bonferroni's would
        ([BARELY, BARELY], ["unclear", "unclear"]),  # and where the first fails, all do
        ([SURELY, *[WILDLY] * 20], ["faster", *["unclear"] * 20]),
    ],
)
def test_more_stacks_need_more_evidence(many: list[list[float]], said: list[Verdict]) -> None:
    cells = [
        blocks([1000 * ratio for ratio in ratios], replace(OTHER, stack=f"s{index}"))
        for index, ratios in enumerate(many)
    ]
    rows = compared(*cells, base=blocks([1000.0] * 4))
    assert [row.verdict for row in rows if row.metric == "rps"] == said


def simulated(true_ratio: float, count: int, runs: int = 200) -> list[Verdict]:
    """Return verdicts of runs of `count` blocks whose ratios scatter by 1.5 %."""
    source = np.random.default_rng(7)
    return [
        verdict([float(each) for each in true_ratio * np.exp(source.normal(0, 0.015, count))])
        for _ in range(runs)
    ]


@pytest.mark.parametrize("count", [3, 8])
def test_the_same_adapter_twice_is_not_told_apart(count: int) -> None:
    said = simulated(1.0, count)
    assert sum(each in ("tie", "unclear") for each in said) >= 0.95 * len(said)


def test_five_per_cent_slower_is_found_with_eight_blocks() -> None:
    said = simulated(0.95, 8)
    assert sum(each == "slower" for each in said) >= 0.9 * len(said)


# A ratio that hangs on a few blocks


def test_a_ratio_that_a_quarter_of_the_blocks_pull_away_is_flagged_as_fragile() -> None:
    base = blocks([1000.0] * 24)
    steady = blocks([1500.0 + 7 * each % 24 for each in range(24)], OTHER)
    pulled = blocks([3000.0 if each % 4 == 3 else 1000.0 + each % 3 for each in range(24)], OTHER)
    assert compared(steady, base=base)[0].flags == ""
    assert compared(pulled, base=base)[0].flags == "fragile"


@given(st.lists(POSITIVE, min_size=1, max_size=12))
def test_the_hodges_lehmann_estimate_is_the_median_of_all_pairs_means(values: list[float]) -> None:
    logs = [math.log(each) for each in values]
    pairs = [(a + b) / 2 for i, a in enumerate(logs) for b in logs[i:]]
    assert math.log(stats.log_interval(values).middle) == pytest.approx(np.median(pairs), abs=1e-9)


# How many more blocks


def to_go(ratios: Sequence[float]) -> int:
    found = stats.log_interval(ratios)
    return stats.blocks_to_go(found.mean, found.half_width, found.n)


def test_a_wider_interval_takes_more_blocks() -> None:
    narrow, wide = to_go([1.00, 1.08, 1.00, 1.08]), to_go([0.80, 1.30, 0.80, 1.30])
    assert 1 <= narrow < wide


@given(st.lists(st.floats(0.5, 2), min_size=1, max_size=8))
def test_there_is_always_an_end_in_sight(ratios: list[float]) -> None:
    assert 1 <= to_go(ratios) <= 100 * len(ratios)


# Whatever was observed

RATES = st.lists(st.none() | st.just(0.0) | POSITIVE, min_size=1, max_size=5)


@settings(max_examples=100)
@given(RATES, RATES, st.integers(1, 5))
def test_no_blocks_make_nan_infinity_or_a_traceback(
    base: list[float | None], other: list[float | None], min_blocks: int
) -> None:
    cells: Any = {BASE: blocks(base), OTHER: blocks(other, OTHER)}
    for rows in cells.values():
        found = stats.summarise(rows)
        numbers = [found.rps, found.rps_lo, found.rps_hi]
        assert all(each is None or math.isfinite(each) for each in numbers)
        assert (found.rps is None) == (found.outcome != "ok")
    for pair in stats.comparisons(cells, lambda _: "base", min_blocks):
        assert all(each is None or math.isfinite(each) for each in (pair.ratio, pair.lo, pair.hi))
        assert not (pair.verdict and pair.lo is None)
