"""Answers of jobs given one after another, put together."""

from dataclasses import replace

import pytest

from harness.load.job import Answer, Arrivals
from harness.load.rounds import joined
from tests.factories import a_slice, an_answer


def test_one_round_is_itself() -> None:
    answer = Answer(0.1, (an_answer([5, 6], [a_slice(requests=2)]),), 70, 90)
    assert joined([answer]) == answer


def test_slices_latencies_and_errors_of_all_rounds_are_kept_in_their_order() -> None:
    first = an_answer([5, 6], [a_slice(requests=2)], timeout=(1, "no answer"))
    second = an_answer([7], [a_slice(requests=1)], timeout=(2, "later"), reset=(1, "gone"))
    found = joined(
        [
            Answer(0.1, (first,), 70, None),
            Answer(0.2, (replace(second, generator_busy=0.5),), 60, 90),
        ]
    )
    (target,) = found.targets
    assert (found.lag_p99_ns, found.late_p99_ns) == (70, 90)
    assert found.slice_s == pytest.approx(0.15)
    assert target.latencies_ns == first.latencies_ns + second.latencies_ns
    assert [each.requests for each in target.slices] == [2, 1]
    assert target.errors == {"timeout": 3, "reset": 1}
    assert target.messages == {"timeout": "no answer", "reset": "gone"}
    assert (target.answered, target.failed) == (3, 4)
    assert target.generator_busy == 0.5
    assert target.arrivals is None


def test_arrivals_of_all_rounds_are_added_up() -> None:
    arrivals = Arrivals(10, 1000, b"s", b"l", b"w", 1)
    answer = Answer(0.1, (replace(an_answer([], []), arrivals=arrivals),), None, None)
    (target,) = joined([answer, answer]).targets
    assert target.arrivals == Arrivals(20, 2000, b"ss", b"ll", b"ww", 2)
