"""What dominates what: surely better in something, no worse in anything."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import stats
from harness.findings import find
from harness.model import Latency, Observation
from harness.observation import unmeasured
from harness.results.page import choice as choosing
from harness.results.page.choice import Scope, choice
from harness.results.page.paired import Floats, Measured, Paired, paired, together
from tests.factories import (
    a_cost,
    a_key,
    a_matrix,
    an_observation,
    an_open_loop,
    some_errors,
)

ADAPTERS = {"base": "psycopg_pool", "other": "asyncpg_pool"}
SCATTER = (1.0, 1.004, 0.997)


def stack(
    name: str,
    rps: float = 1000.0,
    p99_ms: float | None = 20.0,
    cpu_us: float | None = 400.0,
    rss_mib: float = 60.0,
    scatter: Sequence[float] = SCATTER,
    **fields: Any,
) -> Iterator[Observation]:
    """Yield three blocks whose req/s scatter."""
    key = a_key(stack=name, adapter=ADAPTERS[name], **fields.pop("axes", {}))
    for block, luck in enumerate(scatter, 1):
        yield an_observation(
            key,
            block,
            rps=rps * luck,
            latency=Latency(10.0, 12.0, 15.0, p99_ms, 40.0),
            cost=a_cost(app_cpu_us=cpu_us, rss_peak_mib=rss_mib),
            **fields,
        )


def scopes(*rows: Observation, **sections: Any) -> tuple[Scope, ...]:
    matrix = a_matrix(**sections)
    return choice(matrix, find(matrix, rows)).scopes


def dominated(scope: Scope) -> Mapping[str, str]:
    """Return why, by stack."""
    return {scope.candidates[each.loser].stack: each.why for each in scope.dominations}


def test_what_is_worse_in_everything_is_dominated_and_told_by_how_much() -> None:
    (scope,) = scopes(
        *stack("base"), *stack("other", rps=500.0, p99_ms=40.0, cpu_us=800.0, rss_mib=90.0)
    )
    assert dominated(scope) == {
        "other": "slower (0.5000x [0.5000, 0.5000]), longer tail (2.0000x [2.0000, 2.0000]), "
        "more CPU (2.0000x [2.0000, 2.0000]), more memory (1.5000x [1.5000, 1.5000])"
    }


def test_one_thing_in_which_it_is_better_keeps_a_stack_on_the_front() -> None:
    (scope,) = scopes(
        *stack("base"), *stack("other", rps=500.0, p99_ms=40.0, cpu_us=800.0, rss_mib=50.0)
    )
    assert dominated(scope) == {}


def test_what_is_alike_in_the_rest_is_no_better_there() -> None:
    (scope,) = scopes(*stack("base"), *stack("other", cpu_us=500.0, rss_mib=61.0))
    assert dominated(scope) == {
        "other": "more CPU (1.2500x [1.2500, 1.2500]); no better in throughput or tail latency "
        "or memory"
    }


def test_an_interval_that_reaches_both_sides_dominates_nothing() -> None:
    noisy = stack("other", rps=700.0, cpu_us=800.0, scatter=(0.6, 1.5, 1.1))
    (scope,) = scopes(*stack("base"), *noisy)
    assert dominated(scope) == {}


def test_equals_do_not_dominate_each_other() -> None:
    (scope,) = scopes(*stack("base"), *stack("other"))
    assert scope.dominations == ()


@pytest.mark.parametrize("fewer", [1, 2])
def test_fewer_blocks_than_a_verdict_needs_dominate_nothing(fewer: int) -> None:
    worse = stack("other", rps=100.0, cpu_us=900.0, scatter=SCATTER[:fewer])
    (scope,) = scopes(*stack("base"), *worse)
    assert scope.dominations == ()
    assert scope.candidates[1].unjudged == f"{fewer} of 3 blocks that a verdict needs"


def test_blocks_that_two_stacks_do_not_share_prove_nothing_of_the_two() -> None:
    def without(block: int, rows: Iterator[Observation]) -> list[Observation]:
        return [
            unmeasured(row.key, row.block, "interleaved", "failed", "no start")
            if row.block == block
            else row
            for row in rows
        ]

    lucky = (1.0, 1.004, 0.997, 1.001)
    worse = stack("other", rps=100.0, cpu_us=900.0, scatter=lucky)
    (scope,) = scopes(*without(1, stack("base", scatter=lucky)), *without(2, worse))
    assert [each.unjudged for each in scope.candidates] == ["", ""]
    assert scope.contests[0].blocks == 2
    assert scope.dominations == ()


def test_a_stack_whose_requests_mostly_fail_is_not_judged_by_the_rest() -> None:
    failing = stack("other", rps=100.0, cpu_us=900.0, by_class=some_errors(timeout=500))
    (scope,) = scopes(*stack("base"), *failing)
    assert scope.dominations == ()
    assert scope.candidates[1].unjudged == "20 % of its requests to users_get failed"
    assert scope.candidates[1].barred == ""


def test_a_cell_without_a_number_is_barred_with_its_reason() -> None:
    key = a_key(stack="other", adapter="asyncpg_pool")
    (scope,) = scopes(*stack("base"), unmeasured(key, 1, "interleaved", "failed", "no start"))
    assert [each.barred for each in scope.candidates] == ["", "failed on users_get: no start"]
    assert scope.contests == ()


def test_a_block_without_one_good_answer_bars_its_stack() -> None:
    (scope,) = scopes(*stack("base"), *stack("other", scatter=(1.0, 0.0, 1.0)))
    assert scope.candidates[1].barred == "without one good answer in a block on users_get"
    assert scope.objectives == ("rps", "tail_ms", "app_cpu_us", "rss_peak_mib")


def test_where_a_stack_lacks_requests_for_p99_all_are_judged_by_p95() -> None:
    (scope,) = scopes(*stack("base"), *stack("other", p99_ms=None, cpu_us=800.0))
    assert scope.tails == ("p95",)
    assert "tail_ms" in scope.objectives


def test_an_objective_that_one_stack_has_no_number_for_is_left_out_for_all() -> None:
    (scope,) = scopes(*stack("base"), *stack("other", rps=500.0, cpu_us=None))
    assert scope.objectives == ("rps", "tail_ms", "rss_peak_mib")
    assert all(len(each.ratios) == 3 for each in scope.contests)


def test_at_a_rate_throughput_is_no_objective_and_who_does_not_keep_it_is_barred() -> None:
    axes = {"rate": 1000.0}
    kept = stack("base", open_loop=an_open_loop([10**7] * 2000, [10**4]), axes=axes)
    lost = stack("other", rps=500.0, open_loop=an_open_loop([10**7] * 2000, [10**4]), axes=axes)
    group = {"name": "g", "endpoint": ["users_get"], "rate": [1000]}
    (scope,) = scopes(*kept, *lost, group=[group])
    assert [each.barred for each in scope.candidates] == [
        "",
        "did not keep the rate on users_get",
    ]
    assert "rps" not in scope.objectives


def two_settings(first: float, second: float) -> tuple[Scope, ...]:
    """Return the scopes of two settings in which `other` is so many times as fast."""
    group = {"name": "g", "endpoint": ["users_get"], "concurrency": [16, 32]}
    rows = [
        row
        for concurrency, times in ((16, first), (32, second))
        for name, rps in (("base", 1000.0), ("other", 1000.0 * times))
        for row in stack(name, rps=rps, axes={"concurrency": concurrency}, littles_law=1.0)
    ]
    return scopes(*rows, group=[group])


def test_settings_of_the_same_stacks_are_judged_together_first() -> None:
    together_, *each = two_settings(2.0, 0.5)
    assert together_.name == "g: 2 settings together"
    assert dominated(together_) == {}
    ((log, _), *_) = together_.contests[0].ratios
    assert log == pytest.approx(0.0, abs=1e-9)
    assert [list(dominated(scope)) for scope in each] == [["base"], ["other"]]


def test_scopes_that_do_not_fit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "MOST_CONTESTS", 2)
    group = {"name": "g", "endpoint": ["users_get"], "concurrency": [16, 32]}
    matrix = a_matrix(group=[group])
    rows = [
        row
        for concurrency in (16, 32)
        for name in ADAPTERS
        for row in stack(name, axes={"concurrency": concurrency})
    ]
    found = choice(matrix, find(matrix, rows))
    assert (len(found.scopes), found.omitted) == (2, 1)


def test_a_stack_alone_leaves_nothing_to_choose() -> None:
    assert (
        scopes(*stack("base"), group=[{"name": "g", "endpoint": ["users_get"], "stacks": ["base"]}])
        == ()
    )


# The intervals

rates = st.floats(1.0, 1e5)
climbing = st.lists(st.tuples(rates, rates), min_size=8, max_size=14).map(
    lambda blocks: sorted(blocks, key=lambda both: both[0] / both[1])
)
"""Blocks that are surely not independent of each other."""


def setting(logs: Floats, courses: Sequence[Sequence[str]] = ()) -> Measured:
    """Return what stacks measured, and how their blocks went; unless given that is not known."""
    known = np.array(courses, dtype=object) if courses else np.full(logs.shape[:2], "", object)
    return Measured(["rps", "app_cpu_us"][: logs.shape[2]], logs, known)


def pairs(logs: Floats, courses: Sequence[Sequence[str]] = ()) -> Paired:
    (found,) = paired([setting(logs, courses)])
    return found


@given(st.lists(st.tuples(rates, rates), min_size=1, max_size=6) | climbing)
def test_a_pair_has_the_interval_of_the_tables(blocks: list[tuple[float, float]]) -> None:
    found = pairs(np.log(np.array(blocks, float).T[:, :, None]))
    expected = stats.log_interval([one / other for one, other in blocks], in_order=True)
    assert found.logs[0, 0] == pytest.approx(np.log(expected.mean), abs=1e-9)
    if expected.half_width is None:
        assert np.isnan(found.halves[0, 0])
    else:
        assert found.halves[0, 0] == pytest.approx(expected.half_width, abs=1e-9)


@given(st.lists(st.tuples(rates, rates), min_size=3, max_size=6) | climbing, st.data())
def test_blocks_that_one_side_lacks_do_not_count(
    blocks: list[tuple[float, float]], data: st.DataObject
) -> None:
    missing = data.draw(st.integers(0, len(blocks) - 1))
    logs = np.log(np.array(blocks, float).T[:, :, None])
    logs[data.draw(st.integers(0, 1)), missing] = np.nan
    fewer = np.log(np.array(blocks[:missing] + blocks[missing + 1 :], float).T[:, :, None])
    np.testing.assert_allclose(pairs(logs).logs, pairs(fewer).logs, atol=1e-9)
    np.testing.assert_allclose(pairs(logs).halves, pairs(fewer).halves, atol=1e-9)


def test_a_pair_that_wanders_within_its_blocks_has_the_interval_of_the_tables() -> None:
    logs = np.random.default_rng(1).normal(0, 0.2, (2, 6, 1))
    ratios = np.exp(logs[0, :, 0] - logs[1, :, 0]).tolist()
    for went, bound in (("fg" * 16, math.inf), ("WXYZabcdefghijkl" * 2, 0.0)):
        found = pairs(logs, [["gf" * 16] * 6, [went] * 6])
        expected = stats.log_interval(ratios, bound=bound).half_width
        assert found.halves[0, 0] == pytest.approx(expected, abs=1e-9)


def test_settings_of_several_shapes_are_each_what_it_is_alone() -> None:
    source = np.random.default_rng(1)
    settings = [source.normal(0, 1, shape) for shape in ((3, 8, 2), (2, 8, 2), (3, 8, 2))]
    for found, logs in zip(paired(list(map(setting, settings))), settings, strict=True):
        np.testing.assert_array_equal(found.logs, pairs(logs).logs)
        np.testing.assert_array_equal(found.halves, pairs(logs).halves)


def test_settings_together_have_the_mean_of_their_ratios_and_a_narrower_interval() -> None:
    source = np.random.default_rng(1)
    settings = paired([setting(source.normal(0, 1, (2, 8, 1))) for _ in range(4)])
    whole = together(settings)
    assert whole.logs[0, 0] == pytest.approx(np.mean([each.logs[0, 0] for each in settings]))
    assert whole.halves[0, 0] == pytest.approx(
        np.sqrt(np.sum([each.halves[0, 0] ** 2 for each in settings])) / 4
    )


@given(st.lists(st.floats(0.5, 2.0), min_size=6, max_size=6), st.floats(0.5, 2.0))
def test_no_two_stacks_dominate_each_other(luck: list[float], cpu: float) -> None:
    (scope,) = scopes(
        *stack("base", scatter=luck[:3]), *stack("other", scatter=luck[3:], cpu_us=400.0 * cpu)
    )
    assert len(scope.dominations) <= 1
