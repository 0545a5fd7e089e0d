"""A job for several generators, and their answers put together."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.job import Answer, Job, PgbenchTarget, TargetAnswer
from harness.load.split import merged, split
from tests.factories import a_slice, an_answer
from tests.load.servers import job, target

MS = 1_000_000


def an_answer_of(
    *targets: TargetAnswer, lag_p99_ns: int | None = 100, late_p99_ns: int | None = 50
) -> Answer:
    return Answer(0.1, targets, lag_p99_ns, late_p99_ns)


def together(*parts: TargetAnswer) -> TargetAnswer:
    (one,) = merged([an_answer_of(each) for each in parts]).targets
    return one


@given(st.integers(1, 64), st.integers(1, 200))
def test_connections_are_split_as_evenly_as_it_goes(processes: int, connections: int) -> None:
    whole = job(target(1, connections=connections))
    if processes > connections:
        with pytest.raises(ValueError, match="more than a target's connections"):
            split(whole, processes)
        return
    shares = [each.targets[0].connections for each in split(whole, processes)]
    assert sum(shares) == connections
    assert max(shares) - min(shares) <= 1
    assert len(shares) == processes


def test_one_process_gets_the_job_as_it_is() -> None:
    whole = job(target(1, pids=(7,)))
    assert split(whole, 1) == [whole]


def test_the_leader_alone_reads_clocks_and_has_pgbench() -> None:
    tool = PgbenchTarget("pgbench", ("pgbench",), 4, "/f", 0.25)
    whole = replace(job(target(1, pids=(7,))), postmaster_pid=9, pgbench=tool, seed=5)
    lead, follower = split(whole, 2)
    assert (lead.targets[0].pids, lead.postmaster_pid, lead.pgbench) == ((7,), 9, tool)
    assert (follower.targets[0].pids, follower.postmaster_pid, follower.pgbench) == ((), None, None)
    assert (lead.seed, follower.seed) == (5, 6)
    assert isinstance(follower, Job)


def test_the_answer_of_one_process_is_left_as_it_is() -> None:
    answer = an_answer_of(an_answer([MS], [a_slice(requests=1)]))
    assert merged([answer]) is answer


WINDOWS = st.integers(50 * MS, 500 * MS)
PARTS = st.lists(
    st.tuples(WINDOWS, st.lists(st.integers(1, 10**9), max_size=50)), min_size=1, max_size=4
)


@given(st.lists(PARTS, min_size=2, max_size=3))
def test_rates_and_counts_add_up_and_cpu_stays_what_a_request_cost(
    processes: list[list[tuple[int, list[int]]]],
) -> None:
    slices = min(len(each) for each in processes)
    parts = [
        an_answer(
            [latency for _, those in each[:slices] for latency in those],
            [
                a_slice(window_ns=window_ns, requests=len(those))
                for window_ns, those in each[:slices]
            ],
        )
        for each in processes
    ]
    whole = together(*parts)
    latencies_ns = np.frombuffer(whole.latencies_ns, "<i8").tolist()
    assert len(latencies_ns) == sum(each.requests for each in whole.slices)
    begin = 0
    for index, one in enumerate(whole.slices):
        own = [each.slices[index] for each in parts]
        assert one.requests == sum(each.requests for each in own)
        here = latencies_ns[begin : begin + one.requests]
        assert sorted(here) == sorted(x for each in processes for x in each[index][1])
        begin += one.requests
        per_ns = sum(each.requests / each.window_ns for each in own)
        assert math.isclose(one.requests / one.window_ns, per_ns, rel_tol=1e-6)
        assert min(each.window_ns for each in own) <= one.window_ns + 1
        assert one.window_ns <= max(each.window_ns for each in own) + 1
        # The leader's reading of the app, at its rate: so many nanoseconds a nanosecond.
        lead = own[0]
        assert lead.app_cpu_ns is not None
        assert one.app_cpu_ns is not None
        assert math.isclose(
            one.app_cpu_ns / one.window_ns, lead.app_cpu_ns / lead.window_ns, rel_tol=1e-6
        )


def test_two_processes_of_the_same_rate_are_one_of_twice_the_rate() -> None:
    part = an_answer([MS] * 10, [a_slice(requests=10)])
    (one,) = together(part, part).slices
    assert one == a_slice(requests=20, load_cpu_ns=10_000_000)


def test_what_followers_cannot_read_is_taken_from_the_leader() -> None:
    blind = a_slice(app_cpu_ns=None, db_cpu_ns=None)
    (one,) = together(an_answer([], [a_slice()]), an_answer([], [blind])).slices
    assert (one.app_cpu_ns, one.db_cpu_ns) == (50_000_000, 10_000_000)
    (one,) = together(an_answer([], [blind]), an_answer([], [a_slice()])).slices
    assert (one.app_cpu_ns, one.db_cpu_ns) == (None, None)


def test_errors_add_up_and_the_leaders_message_goes_first() -> None:
    whole = together(
        an_answer([], [a_slice(requests=0)], timeout=(2, "mine")),
        an_answer([], [a_slice(requests=0)], timeout=(3, "theirs"), reset=(1, "gone")),
    )
    assert whole.errors == {"timeout": 5, "reset": 1}
    assert whole.messages == {"timeout": "mine", "reset": "gone"}


def test_the_worst_lag_and_the_busiest_process_are_those_of_all() -> None:
    idle, busy = a_slice(requests=0, load_cpu_ns=0), a_slice(requests=0, load_cpu_ns=90 * MS)
    answers = [
        an_answer_of(an_answer([], [idle]), lag_p99_ns=500),
        an_answer_of(an_answer([], [busy]), lag_p99_ns=None),
        an_answer_of(an_answer([], [idle]), lag_p99_ns=900),
    ]
    whole = merged(answers)
    assert (whole.lag_p99_ns, whole.late_p99_ns, whole.generators) == (900, 50, 3)
    assert whole.targets[0].generator_busy == 0.9


def test_pgbench_is_the_leaders() -> None:
    server, tool = an_answer([MS], [a_slice(requests=1)]), an_answer([2 * MS], [a_slice()])
    whole = merged([an_answer_of(server, tool), an_answer_of(server)])
    assert len(whole.targets) == 2
    assert whole.targets[1] is tool
