"""What blocks of an open loop say together, and how its stacks are compared."""

from collections.abc import Sequence

import pytest

from harness import stats
from harness.arrivals import CLOSED, fell_behind, together_each
from harness.findings import find, find_in, precise
from harness.model import Comparison, Latency, Observation, OpenLoop, OpenLoopBlock
from harness.results.markdown import report
from harness.sentences import sentences
from tests.factories import ENVIRONMENT, a_key, a_matrix, an_observation, an_open_loop, blocks

MS = 1_000_000
BASE = a_key(rate=800.0)
OTHER = a_key(rate=800.0, stack="other", adapter="asyncpg_pool")
MATRIX = a_matrix(group=[{"name": "g", "endpoint": ["users_get"], "rate": [800]}])


def block(number: int, services_ms: Sequence[float], lags_ms: Sequence[float]) -> Observation:
    as_ns = [[round(each * MS) for each in many] for many in (services_ms, lags_ms)]
    return an_observation(BASE, number, open_loop=an_open_loop(as_ns[0], as_ns[1]))


def scheduled(
    key: object, p99s_ms: Sequence[float | None], rps: float = 800.0, cpu: float = 400.0
) -> list[Observation]:
    """Return a row a p99, of a stack that had 800 req/s to answer."""
    figures = OpenLoopBlock(OpenLoop(800.0, 1.0, 2.0, 0.1, 0, 0), "", "")
    return [
        an_observation(
            key,  # type: ignore[arg-type]
            number,
            rps=rps,
            latency=Latency(1.0, 2.0, 3.0, p99, 9.0),
            littles_law=None,
            drift=None,
            open_loop=figures,
        )
        for number, p99 in enumerate(p99s_ms, 1)
    ]


def compared(rows: Sequence[Observation]) -> dict[str, Comparison]:
    found = find(MATRIX, rows)
    return {metric: pair for (_, metric), pair in found.comparisons.items()}


def test_closed_loops_together_have_no_figures_of_a_schedule() -> None:
    assert list(together_each([[an_observation()], []])) == [CLOSED, CLOSED]


def test_percentiles_over_blocks_are_those_of_all_requests_and_counts_are_summed() -> None:
    # Both p50s are far from 10 ms, and so is their mean from what most requests had.
    one = block(1, [1.0] * 900, [0.1] * 900)
    other = block(2, [100.0] * 100, [5.0] * 100)
    (found,) = together_each([[one, other]])
    assert found.service_p50_ms == pytest.approx(1.0, rel=0.005)
    assert found.service_p99_ms == pytest.approx(100.0, rel=0.005)
    assert found.schedule_lag_p99_ms == pytest.approx(5.0, rel=0.005)
    assert found.offered_rps == pytest.approx((450 + 50) / 2)
    assert (found.late, found.dropped) == (100, 0)


def test_service_p99_is_blank_when_a_block_had_few_requests() -> None:
    rows = [block(1, [1.0], [0.1]), an_observation(BASE, 2, requests=999)]
    (found,) = together_each([rows])
    assert found.service_p99_ms is None


@pytest.mark.parametrize(
    ("rps", "behind"), [(800.0, False), (776.1, False), (775.9, True), (None, True)]
)
def test_a_stack_falls_behind_when_it_answers_less_than_is_due(
    rps: float | None, behind: bool
) -> None:
    row = scheduled(BASE, [5.0], rps=rps)  # type: ignore[arg-type]
    assert fell_behind(row) == behind


def test_one_bad_block_of_many_is_not_falling_behind() -> None:
    assert not fell_behind([*scheduled(BASE, [5.0] * 19), *scheduled(BASE, [5.0], rps=400.0)])


def test_a_closed_loop_cannot_fall_behind() -> None:
    assert not fell_behind([an_observation(rps=0.0)])


def test_an_open_loop_is_compared_by_p99_and_cpu_and_never_by_its_rate() -> None:
    pairs = compared([*scheduled(BASE, [10.0, 11.0, 9.0]), *scheduled(OTHER, [5.0, 5.5, 4.5])])
    assert set(pairs) == {"p99_ms", "app_cpu_us"}
    assert pairs["p99_ms"].ratio == pytest.approx(0.5)
    assert pairs["p99_ms"].verdict == "faster"  # less is better


def test_a_closed_loop_is_compared_by_req_s_and_cpu() -> None:
    rows = [
        *blocks([100.0] * 3),
        *blocks([100.0] * 3, a_key(stack="other", adapter="asyncpg_pool")),
    ]
    found = find(a_matrix(), rows)
    assert {metric for _, metric in found.comparisons} == {"rps", "app_cpu_us"}


@pytest.mark.parametrize("late", ["base", "other"])
def test_a_p99_of_a_stack_that_fell_behind_has_no_verdict_but_its_cpu_has(late: str) -> None:
    rates = {"base": 800.0, "other": 800.0} | {late: 600.0}
    pairs = compared(
        [
            *scheduled(BASE, [10.0] * 3, rps=rates["base"]),
            *scheduled(OTHER, [500.0] * 3, rps=rates["other"]),
        ]
    )
    assert pairs["p99_ms"].verdict == ""
    assert pairs["app_cpu_us"].verdict == "tie"


def test_a_blank_p99_has_no_ratio_and_precision_is_that_of_cpu() -> None:
    rows = [*scheduled(BASE, [None] * 3), *scheduled(OTHER, [None] * 3)]
    assert compared(rows)["p99_ms"].ratio is None
    found = find(MATRIX, rows)
    assert precise(MATRIX, found.by_setting[BASE.setting])
    wide = [*scheduled(BASE, [10.0, 12.0, 8.0]), *scheduled(OTHER, [5.0] * 3)]
    assert not precise(MATRIX, find_in(MATRIX, BASE.setting, wide))


def test_the_sentences_speak_of_latency_where_req_s_is_given() -> None:
    rows = [*scheduled(BASE, [10.0] * 3), *scheduled(OTHER, [5.0] * 3)]
    said = sentences(find(MATRIX, rows))
    assert said[0] == (
        "Latency: other has 0.5000x [0.5000, 0.5000] the p99 of base on users_get, 800 req/s "
        "(faster)."
    )
    assert sentences(find(MATRIX, rows[:1]))[0] == "No two stacks can be compared yet."


def test_the_report_speaks_of_the_loops_it_had() -> None:
    rows = [*scheduled(BASE, [10.0] * 3), *scheduled(OTHER, [5.0] * 3)]
    scheduled_only = report(MATRIX, find(MATRIX, rows), ENVIRONMENT)
    assert "open loop at 800 req/s, 16 connections" in scheduled_only
    assert "Load is open-loop" in scheduled_only
    assert "closed-loop" not in scheduled_only
    closed_only = report(a_matrix(), find(a_matrix(), []), ENVIRONMENT)
    assert "Load is closed-loop" in closed_only
    assert "open-loop" not in closed_only


def test_a_settings_primary_metric_comes_first() -> None:
    assert stats.metrics(BASE.setting)[0] == "p99_ms"
    assert stats.metrics(a_key().setting)[0] == "rps"
