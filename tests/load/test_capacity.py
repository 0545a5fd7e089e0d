"""The search for a capacity, against servers whose capacity is known."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.load.capacity import (
    MOST_VERIFICATIONS,
    RESOLUTION,
    Found,
    GaveUp,
    Probe,
    Search,
    Try,
    Verify,
    judged,
    next_step,
    requests_above,
    told,
)
from harness.slo import Slo
from tests.factories import a_probe
from tests.load.simulated import QUIET, SHARED, Noise, Simulated, searched

SLO = Slo(99, 0.05)
SEEDS = range(40)
MS = 1_000_000


def most_probes(most: int) -> int:
    """Every doubling and every step of the bisection twice, and a few around the peak."""
    return 2 * (math.ceil(math.log2(most)) + 2 + math.ceil(math.log2(1 / RESOLUTION)) + 6)


# One step after another


def after(search: Search, *probes: Probe) -> Search:
    for each in probes:
        search = told(search, each)
    return search


def kept(concurrency: int, rps: float | None = None) -> Probe:
    return a_probe(concurrency, rps=100.0 * concurrency if rps is None else rps)


def broke(concurrency: int) -> Probe:
    return a_probe(concurrency, kept=False, percentile_ns=60 * MS)


def test_it_begins_with_one_connection_and_doubles() -> None:
    search = Search(SLO, most=100, most_s=60.0)
    asked = []
    while isinstance(step := next_step(search), Try):
        asked.append(step.concurrency)
        search = told(search, kept(step.concurrency))
    assert asked == [1, 2, 4, 8, 16, 32, 64, 100]
    assert step == Verify(100, 10_000.0)
    assert next_step(told(search, kept(100))) == Found(100, "connections")


def test_the_first_failure_begins_the_bisection() -> None:
    search = after(Search(SLO, 100, 60.0), *map(kept, (1, 2, 4, 8, 16)), broke(32))
    assert next_step(search) == Try(24)
    assert next_step(told(search, kept(24))) == Try(28)
    assert next_step(told(search, broke(24))) == Try(20)


def test_where_the_bisection_ends_a_single_failure_has_a_second_chance() -> None:
    search = after(Search(SLO, 100, 60.0), *map(kept, (1, 2, 4, 8)), broke(16), broke(12))
    search = after(search, kept(10), kept(11))
    assert next_step(search) == Try(12)
    assert next_step(told(search, broke(12))) == Verify(11, 1100.0)
    # A stall of the machine, then: on between 12 and the failure above it.
    assert next_step(told(search, kept(12))) == Try(14)


def test_the_bisection_ends_where_no_number_lies_between_or_within_a_twentieth() -> None:
    search = after(Search(SLO, 100, 60.0), kept(1), kept(2), broke(4), kept(3), broke(4))
    assert next_step(search) == Verify(3, 300.0)
    wide = after(Search(SLO, 1000, 60.0), kept(190), broke(200), broke(200))
    assert next_step(wide) == Verify(190, 19_000.0)


def test_the_candidate_has_the_most_req_s_and_of_equals_the_fewest_connections() -> None:
    rates = {1: 500.0, 2: 800.0, 4: 1195.0, 8: 1200.0, 16: 1199.0}
    probes = [kept(n, rps) for n, rps in rates.items()]
    search = Search(SLO, 16, 60.0, probes=tuple(probes))
    while isinstance(step := next_step(search), Try):
        search = told(search, kept(step.concurrency, 1180.0))
    assert step == Verify(4, 1195.0)


def test_it_looks_on_both_sides_of_a_peak_that_is_not_at_the_edge() -> None:
    rates = {1: 100.0, 2: 200.0, 4: 400.0, 8: 300.0, 16: 200.0}
    search = Search(SLO, 16, 60.0, probes=tuple(kept(*each) for each in rates.items()))
    assert next_step(search) == Try(3)
    search = told(search, kept(3, 300.0))
    assert next_step(search) == Try(6)
    # Broken there by bad luck, as more connections kept it: the search does not go back.
    search = told(search, broke(6))
    assert next_step(search) == Verify(4, 400.0)


def test_it_steps_down_further_each_time_a_verification_fails_and_gives_up_in_the_end() -> None:
    search = after(Search(SLO, 256, 60.0), *map(kept, (64, 96)), broke(100), broke(100))
    asked = []
    while isinstance(step := next_step(search), Verify):
        asked.append(step.concurrency)
        search = told(search, broke(step.concurrency))
    assert asked == [96, 91, 81, 64, 38]
    assert step == GaveUp(
        "slo: kept by a probe of 96 connections, but not when verified: "
        "p99 60 ms at 38 connections, asked for < 50ms"
    )


def test_a_single_connection_that_fails_its_verification_leaves_none_to_try() -> None:
    search = after(Search(SLO, 256, 60.0), kept(1), broke(2), broke(2), broke(1))
    assert isinstance(next_step(search), GaveUp)


def test_a_search_that_takes_too_long_verifies_what_it_has() -> None:
    search = after(Search(SLO, 256, most_s=1.0), kept(1), kept(2))
    assert next_step(search) == Verify(2, 200.0)
    assert next_step(told(search, kept(2))) == Found(2, "time")
    assert isinstance(next_step(after(Search(SLO, 256, most_s=0.1), broke(1))), GaveUp)


@pytest.mark.parametrize(
    ("probe", "reason"),
    [
        (
            a_probe(1, kept=False, percentile_ns=12_300_000),
            "p99 12 ms at 1 connection, asked for < 5ms",
        ),
        (
            a_probe(1, kept=False, percentile_ns=5_120_000),
            "p99 5.1 ms at 1 connection, asked for < 5ms",
        ),
        (
            a_probe(1, kept=False, requests=900, errors=100),
            "10 % errors at 1 connection, asked for at most 0.1 %",
        ),
        (
            a_probe(1, kept=False, requests=0, errors=7, percentile_ns=None),
            "no good answer at 1 connection",
        ),
    ],
)
def test_a_server_that_never_keeps_it_is_given_up_with_what_was_seen(
    probe: Probe, reason: str
) -> None:
    search = after(Search(Slo(99, 0.005), 256, 60.0), probe, probe)
    assert next_step(search) == GaveUp(f"slo: {reason}")


def test_too_few_answers_are_said_to_be_too_few() -> None:
    few = a_probe(1, kept=False, requests=120)
    search = after(Search(SLO, 1, 60.0), kept(1), few)
    assert next_step(search) == GaveUp(
        "slo: kept by a probe of 1 connection, but not when verified: "
        "only 120 answers at 1 connection, too few for p99: raise run.measure"
    )


# One probe


@pytest.mark.parametrize(
    ("percent", "above", "requests"),
    [(99, 3, 300), (99, 10, 1000), (95, 3, 60), (90, 3, 30), (50, 3, 6), (50, 10, 20)],
)
def test_a_percentile_far_up_takes_more_answers(percent: int, above: int, requests: int) -> None:
    assert requests_above(Slo(percent, 1.0), above) == requests


@pytest.mark.parametrize(
    ("slow", "errors", "is_kept"),
    [
        (0, 0, True),
        (10, 0, True),  # 10 of 1,000 are above p99
        (11, 0, False),
        (0, 1, True),  # 1 of 1,001
        (0, 2, False),
    ],
)
def test_a_probe_keeps_it_with_its_percentile_under_the_limit_and_hardly_an_error(
    slow: int, errors: int, is_kept: bool
) -> None:
    latencies_ns = [50 * MS] * slow + [50 * MS - 1] * (1000 - slow)
    probe = judged(SLO, 4, latencies_ns, errors=errors, window_s=2.0, took_s=2.5)
    assert (probe.kept, probe.rps, probe.requests) == (is_kept, 500.0, 1000)


def test_a_probe_without_enough_answers_keeps_nothing() -> None:
    none = judged(SLO, 4, [], errors=0, window_s=0.0, took_s=1.0)
    assert (none.kept, none.rps, none.percentile_ns) == (False, 0.0, None)
    few = [1 * MS] * 299
    assert judged(SLO, 4, few, errors=0, window_s=1.0, took_s=1.0).kept
    assert not judged(SLO, 4, few, errors=0, window_s=1.0, took_s=1.0, least_requests=300).kept


# Whole searches

SERVERS = {
    "queueing a little": Simulated(queueing=0.05),
    "queueing": Simulated(queueing=0.3),
    "one by one": Simulated(alone_s=0.001, queueing=1.0),
    "less with more": Simulated(queueing=0.02, crosstalk=0.0005),
    "refusing beyond 37": Simulated(queueing=0.01, refuses_beyond=37),
    "at its limit with one": Simulated(alone_s=0.024, queueing=1.0),
}


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS)
@pytest.mark.parametrize("noise", [QUIET, SHARED], ids=["quiet", "shared"])
def test_the_capacity_found_is_nearly_the_true_one(server: Simulated, noise: Noise) -> None:
    truth = server.capacity(SLO, 256)
    assert truth is not None
    near = 0
    for seed in SEEDS:
        _, end = searched(server, SLO, seed=seed, noise=noise)
        if isinstance(end, Found):
            near += abs(server.rps(end.concurrency) / truth - 1) < 0.1
    assert near >= 0.9 * len(SEEDS)


def test_what_never_keeps_it_has_no_capacity() -> None:
    for seed in SEEDS:
        search, end = searched(Simulated(alone_s=0.06), SLO, seed=seed, noise=SHARED)
        assert isinstance(end, GaveUp)
        assert "at 1 connection, asked for < 50ms" in end.reason
        assert len(search.probes) == 2


def test_what_always_keeps_it_has_at_least_the_capacity_of_all_connections() -> None:
    for most in (1, 2, 100, 256):
        search, end = searched(Simulated(queueing=0.0), SLO, most=most)
        assert end == Found(most, "connections")
        assert len(search.verifications) == 1


@st.composite
def servers(draw: st.DrawFn) -> Simulated:
    return Simulated(
        alone_s=draw(st.floats(0.0005, 0.08)),
        queueing=draw(st.sampled_from([0.0, 0.01, 0.1, 1.0])),
        crosstalk=draw(st.sampled_from([0.0, 0.0005, 0.01])),
        scatter=draw(st.sampled_from([0.0, 0.3, 0.8])),
        refuses_beyond=draw(st.sampled_from([1, 7, 10**9])),
    )


@settings(max_examples=60)
@given(servers(), st.integers(1, 300), st.integers(0, 10**6))
def test_every_search_ends_soon_with_what_was_verified_or_with_a_reason(
    server: Simulated, most: int, seed: int
) -> None:
    asked: list[int] = []
    wild = Noise(speed=0.2, stalls=0.2)
    search, end = searched(
        server,
        SLO,
        most=most,
        seed=seed,
        noise=wild,
        seen=lambda step: asked.append(step.concurrency),
    )
    assert all(1 <= each <= most for each in asked)
    assert len(search.probes) <= most_probes(most)
    assert len(search.verifications) <= MOST_VERIFICATIONS
    if isinstance(end, Found):
        last = search.verifications[-1]
        assert last.kept
        assert last.concurrency == end.concurrency
        assert not any(each.kept for each in search.verifications[:-1])
    else:
        assert end.reason.startswith("slo: ")
        assert not any(each.kept for each in search.verifications)


@settings(max_examples=60)
@given(st.integers(1, 5000), st.data())
def test_answers_at_random_end_a_search_too(most: int, data: st.DataObject) -> None:
    search = Search(SLO, most, most_s=10_000.0)
    steps = 0
    while not isinstance(step := next_step(search), Found | GaveUp):
        steps += 1
        assert steps <= most_probes(most) + MOST_VERIFICATIONS
        outcome = data.draw(st.booleans())
        rps = data.draw(st.sampled_from([10.0, 1000.0, 1005.0, 2000.0]))
        search = told(search, a_probe(step.concurrency, kept=outcome, rps=rps))
