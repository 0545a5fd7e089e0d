"""From a generator's answer to a row."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from harness import histogram
from harness.arrivals import CLOSED_BLOCK
from harness.load.job import Arrivals, Searched, TargetAnswer
from harness.model import Capacity, Observation, OpenLoop, OpenLoopBlock
from harness.observation import NO_COST, NO_ERRORS, NO_LATENCY, measured, unmeasured
from harness.probes import encode
from tests.factories import a_cost, a_key, a_probe, a_slice, an_answer

MS = 1_000_000


def row_of(answer: TargetAnswer, **fields: Any) -> Observation:
    ordinary: dict[str, Any] = {"slice_s": 0.1, "lag_p99_ns": 100_000, "memory": a_cost()}
    return measured(a_key(concurrency=4), 3, "interleaved", answer, **ordinary | fields)


def test_rates_and_costs_are_over_all_windows() -> None:
    slices = [a_slice(requests=10), a_slice(requests=30, window_ns=300 * MS)]
    row = row_of(an_answer([40 * MS] * 40, slices))
    assert (row.block, row.schedule, row.slices, row.slice_ms) == (3, "interleaved", 2, 100.0)
    assert (row.window_s, row.requests, row.rps) == (0.4, 40, 100.0)
    assert row.mean_ms == 40.0
    assert row.littles_law == pytest.approx(100 * 0.040 / 4)
    assert row.cost.app_cpu_us == 2 * 50_000 / 40
    assert row.cost.db_cpu_us == 2 * 10_000 / 40
    assert row.cost.load_cpu_us == 2 * 5_000 / 40
    assert row.generator_busy == pytest.approx(10 / 400)
    assert row.lag_p99_ms == 0.1
    assert (row.outcome, row.flags, row.reason) == ("ok", "", "")


def test_at_capacity_the_bookkeeping_is_of_the_connections_that_were_used() -> None:
    answer = an_answer([40 * MS] * 40, [a_slice(requests=40, window_ns=400 * MS)])
    probes = (a_probe(1), a_probe(2), a_probe(2))
    row = row_of(replace(answer, searched=Searched(probes, 2, "slo", "")))
    assert (row.outcome, row.rps) == ("ok", 100.0)
    assert row.littles_law == pytest.approx(100 * 0.040 / 2)
    assert row.capacity == Capacity(100.0, 2, "slo", encode(probes))


def test_a_search_in_vain_is_a_failure_with_its_reason_and_its_probes() -> None:
    answer = an_answer([40 * MS] * 40, [a_slice(requests=40)], app=(3, "no"))
    probes = (a_probe(1, kept=False),) * 2
    row = row_of(replace(answer, searched=Searched(probes, None, "", "slo: p99 4 ms")))
    assert (row.outcome, row.reason, row.rps, row.slices) == ("failed", "slo: p99 4 ms", None, 0)
    assert row.capacity == Capacity(capacity_probes=encode(probes))
    assert (row.by_class.err_app, json.loads(row.first_errors)) == (3, {"app": "no"})


def test_a_cell_whose_concurrency_was_given_has_no_capacity() -> None:
    assert row_of(an_answer([MS], [a_slice()])).capacity == Capacity()


def test_a_closed_loop_has_no_figures_of_a_schedule() -> None:
    assert row_of(an_answer([MS], [a_slice()])).open_loop == CLOSED_BLOCK


def test_an_open_loop_has_service_times_lateness_and_no_littles_law() -> None:
    key = a_key(rate=40.0)
    scheduled = Arrivals(
        due=9,
        stretches_ns=200 * MS,
        service_ns=packed(1 * MS, 2 * MS, 3 * MS, 4 * MS),
        lags_ns=packed(0, 100_000, 999_999, 1_000_001),
        waits_ns=packed(1 * MS, 9 * MS, 80 * MS),
        unsent=2,
    )
    answer = replace(an_answer([90 * MS] * 4, [a_slice()], timeout=(3, "slow")), arrivals=scheduled)
    row = measured(key, 1, "interleaved", answer, slice_s=0.1, lag_p99_ns=None, memory=a_cost())
    assert (row.littles_law, row.drift) == (None, None)
    figures = row.open_loop.figures
    assert figures == OpenLoop(45.0, 2.0, None, 1.000001, late=1 + 2 + 2, dropped=3)
    assert histogram.decode(row.open_loop.service_latencies).sum() == 4
    assert histogram.decode(row.open_loop.schedule_lags).sum() == 4  # also that of 0 ns


def test_an_open_loop_in_which_nothing_was_due_is_a_row_of_zeros() -> None:
    scheduled = Arrivals(0, 100 * MS, b"", b"", b"", 0)
    answer = replace(an_answer([], [a_slice(requests=0)]), arrivals=scheduled)
    row = measured(
        a_key(rate=1.0), 1, "interleaved", answer, slice_s=0.1, lag_p99_ns=None, memory=a_cost()
    )
    assert row.open_loop == OpenLoopBlock(OpenLoop(0.0, None, None, None, 0, 0), "", "")


def packed(*values: int) -> bytes:
    return np.array(values, "<i8").tobytes()


def test_memory_is_taken_over_as_it_was_read() -> None:
    row = row_of(an_answer([MS], [a_slice()]), memory=a_cost(rss_idle_mib=1.5, connections=None))
    assert (row.cost.rss_idle_mib, row.cost.connections, row.cost.pss_end_mib) == (1.5, None, 40.0)


@given(st.lists(st.integers(1, 10**11), min_size=1, max_size=1200))
def test_percentiles_of_a_block_are_exact_nearest_ranks(latencies_ns: list[int]) -> None:
    latency = row_of(an_answer(latencies_ns, [a_slice()])).latency
    ordered = sorted(latencies_ns)

    def rank(percent: int) -> float:
        return ordered[math.ceil(len(ordered) * percent / 100) - 1] / 1e6

    assert (latency.p50_ms, latency.p90_ms, latency.p95_ms) == (rank(50), rank(90), rank(95))
    assert latency.max_ms == ordered[-1] / 1e6
    assert latency.p99_ms == (rank(99) if len(ordered) >= 1000 else None)


@pytest.mark.parametrize(("requests", "blank"), [(999, True), (1000, False)])
def test_p99_is_blank_under_a_thousand_requests(requests: int, blank: bool) -> None:
    row = row_of(an_answer([MS] * requests, [a_slice()]))
    assert (row.latency.p99_ms is None) == blank


def test_the_whole_distribution_is_kept() -> None:
    row = row_of(an_answer([MS, 2 * MS, 3 * MS], [a_slice()]))
    assert histogram.decode(row.latencies).sum() == 3


def test_a_cell_of_errors_only_has_a_rate_of_zero_and_no_latency() -> None:
    row = row_of(an_answer([], [a_slice(requests=0)], pool_timeout=(12, "QueuePool limit\nof 5")))
    assert (row.outcome, row.requests, row.rps) == ("ok", 0, 0.0)
    assert (row.mean_ms, row.littles_law, row.latency) == (None, None, NO_LATENCY)
    assert (row.cost.app_cpu_us, row.cost.db_cpu_us, row.cost.load_cpu_us) == (None, None, None)
    assert (row.by_class.err_pool_timeout, row.by_class.total) == (12, 12)
    assert json.loads(row.first_errors) == {"pool_timeout": "QueuePool limit\nof 5"}
    assert "\n" not in row.first_errors
    assert row.latencies == ""


def test_a_cell_without_a_window_failed_and_keeps_its_errors() -> None:
    row = row_of(an_answer([], [], timeout=(4, "no answer"), connect=(1, "refused")))
    assert (row.outcome, row.rps, row.window_s) == ("failed", None, None)
    assert row.reason == "connect: refused; timeout: no answer"
    assert (row.by_class.err_timeout, row.by_class.err_connect) == (4, 1)
    assert json.loads(row.first_errors) == {"connect": "refused", "timeout": "no answer"}


def test_a_cell_that_says_nothing_at_all_failed() -> None:
    row = row_of(an_answer([], []))
    assert (row.outcome, row.reason) == ("failed", "no answer within any window")


@pytest.mark.parametrize("clock", ["app_cpu_ns", "db_cpu_ns"])
def test_a_clock_that_could_not_be_read_leaves_its_column_empty(clock: str) -> None:
    row = row_of(an_answer([MS] * 20, [a_slice(), a_slice(**{clock: None})]))
    assert getattr(row.cost, clock.replace("_ns", "_us")) is None
    assert row.cost.load_cpu_us is not None


def test_lag_that_was_never_sampled_is_empty() -> None:
    assert row_of(an_answer([MS], [a_slice()]), lag_p99_ns=None).lag_p99_ms is None


@pytest.mark.parametrize(
    ("requests", "drift"),
    [
        ([10, 10, 10, 10, 12, 12], 1.2),
        ([10, 10, 0, 0, 5, 5], 0.5),
        ([10, 10, 10, 10, 10, 12], 1.0),  # two slices that differ prove nothing
        ([10, 10, 99, 99, 99, 10, 10], 1.0),  # the middle is not looked at
        ([10, 10, 10, 10, 12], None),  # too few slices for thirds
        ([0, 0, 10, 10, 10, 10], None),
        ([10, 10, 10, 10, 0, 0], None),
    ],
)
def test_drift_is_what_the_last_third_proves_against_the_first(
    requests: list[int], drift: float | None
) -> None:
    answer = an_answer([MS] * sum(requests), [a_slice(requests=each) for each in requests])
    assert row_of(answer).drift == (None if drift is None else pytest.approx(drift))


@pytest.mark.parametrize("without", [range(2), range(4, 6)])
def test_a_third_without_a_window_has_no_drift(without: range) -> None:
    slices = [
        a_slice(window_ns=0, requests=0) if index in without else a_slice() for index in range(6)
    ]
    assert row_of(an_answer([MS] * 40, slices)).drift is None


SLICES = st.lists(
    st.builds(
        a_slice,
        window_ns=st.integers(0, 10**10),
        requests=st.integers(0, 50),
        app_cpu_ns=st.none() | st.integers(0, 10**10),
        db_cpu_ns=st.none() | st.integers(0, 10**10),
    ),
    max_size=12,
)


@given(st.lists(st.integers(1, 10**11), max_size=30), SLICES, st.integers(0, 5))
def test_no_answer_of_a_generator_makes_nan_or_infinity(
    latencies_ns: list[int], slices: list[Any], errors: int
) -> None:
    row = row_of(an_answer(latencies_ns, slices, app=(errors, "said")))
    numbers = [row.rps, row.mean_ms, row.littles_law, row.drift, row.generator_busy, row.window_s]
    numbers += [row.cost.app_cpu_us, row.cost.db_cpu_us, row.cost.load_cpu_us]
    assert all(each is None or math.isfinite(each) for each in numbers)
    assert row.by_class.total == errors


def test_a_reason_without_end_is_cut_short() -> None:
    assert len(unmeasured(a_key(), 1, "interleaved", "failed", "x" * 200_000).reason) == 500


def test_a_cell_that_was_not_measured_has_a_reason_on_one_line_and_no_number() -> None:
    row = unmeasured(a_key(), 2, "sequential", "failed", " it\n did\tnot\r\n start ")
    assert (row.outcome, row.reason) == ("failed", "it did not start")
    assert (row.latency, row.cost, row.by_class) == (NO_LATENCY, NO_COST, NO_ERRORS)
    assert (row.requests, row.rps, row.latencies, row.first_errors) == (0, None, "", "")


def test_the_drift_that_is_proven_is_the_near_bound_of_welchs_interval() -> None:
    requests = [100, 110, 105, 95, 100, 100, 100, 100, 150, 160, 140, 155]
    answer = an_answer([MS] * sum(requests), [a_slice(requests=each) for each in requests])
    first, last = np.log(requests[:4]), np.log(requests[-4:])
    interval = scipy_stats.ttest_ind(last, first, equal_var=False).confidence_interval(0.95)
    assert row_of(answer).drift == pytest.approx(math.exp(interval.low))
