"""How a block went, from its slices to a field of blocks.csv and back."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import parts
from harness.load.job import Slice
from harness.parts import PARTS
from tests.factories import a_slice

counts = st.lists(st.integers(100, 120), min_size=PARTS, max_size=200)
"""So alike that no part lies beyond what a digit can say."""


def slices(requests: Sequence[int]) -> list[Slice]:
    return [a_slice(requests=each, app_cpu_ns=1_000_000) for each in requests]


def sixteenths(values: Sequence[int]) -> list[Sequence[int]]:
    bounds = [part * len(values) // PARTS for part in range(PARTS + 1)]
    return [values[bounds[part] : bounds[part + 1]] for part in range(PARTS)]


def about_their_mean(values: Sequence[float]) -> list[float]:
    found = np.log(values)
    return list(found - found.mean())


@given(counts)
def test_each_part_is_the_rate_of_its_slices_to_half_a_per_cent(requests: list[int]) -> None:
    expected = about_their_mean([float(np.mean(each)) for each in sixteenths(requests)])
    (found,) = parts.logs([parts.of(slices(requests))], "rps")
    assert np.diff(found) == pytest.approx(np.diff(expected), abs=0.0101)


@given(counts)
def test_cpu_is_that_of_a_request(requests: list[int]) -> None:
    expected = about_their_mean([len(each) / sum(each) for each in sixteenths(requests)])
    (found,) = parts.logs([parts.of(slices(requests))], "app_cpu_us")
    assert np.diff(found) == pytest.approx(np.diff(expected), abs=0.0101)


def test_a_part_far_from_the_others_has_the_last_digit() -> None:
    text = parts.of(slices([1] + [1000] * (PARTS - 1)))
    (rps,), (cpu,) = (parts.logs([text], figure) for figure in ("rps", "app_cpu_us"))
    assert rps[0] == rps.min() == 0.0
    assert cpu[0] == cpu.max() == pytest.approx(0.84)


def test_fewer_slices_than_parts_say_nothing() -> None:
    assert parts.of(slices([10] * (PARTS - 1))) == ""
    assert len(parts.of(slices([10] * PARTS))) == 2 * PARTS


def test_a_part_without_a_good_answer_leaves_none() -> None:
    assert parts.of(slices([10] * 20 + [0, 0, 0, 0] + [10] * 8)) == ""


def test_without_a_clock_there_is_no_cpu() -> None:
    text = parts.of([*slices([10] * 31), a_slice(requests=10, app_cpu_ns=None)])
    assert len(text) == PARTS
    assert not np.isnan(parts.logs([text], "rps")).any()
    assert np.isnan(parts.logs([text], "app_cpu_us")).all()


def test_what_is_not_known_is_no_number_beside_what_is() -> None:
    found = parts.logs(["", "0" * PARTS, ""], "rps")
    assert np.isnan(found).tolist() == [[True] * PARTS, [False] * PARTS, [True] * PARTS]
    assert parts.logs([], "rps").shape == (0, PARTS)


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "0" * (PARTS + 1),
        "0" * (PARTS - 1) + ",",
        "0" * (PARTS - 1) + "é",
        "0" * (PARTS - 1) + "\u20ac",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not the parts of a block"):
        parts.logs(["0" * PARTS, text], "rps")
