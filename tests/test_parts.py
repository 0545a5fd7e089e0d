"""How a block went, from its slices to a field of blocks.csv and back."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import parts
from harness.load.job import Slice
from harness.model import Parts
from harness.parts import PARTS
from tests.factories import a_slice

counts = st.lists(st.integers(1, 100_000), min_size=PARTS, max_size=200)


def slices(requests: Sequence[int]) -> list[Slice]:
    return [a_slice(requests=each, app_cpu_ns=1_000_000) for each in requests]


def sixteenths(values: Sequence[int]) -> list[Sequence[int]]:
    bounds = [part * len(values) // PARTS for part in range(PARTS + 1)]
    return [values[bounds[part] : bounds[part + 1]] for part in range(PARTS)]


@given(counts)
def test_each_part_is_the_rate_of_its_slices_in_per_mille_of_their_mean(
    requests: list[int],
) -> None:
    means = np.array([np.mean(each) for each in sixteenths(requests)])
    found = np.exp(parts.logs([parts.of(slices(requests)).rps_parts]))[0]
    assert found == pytest.approx(np.maximum(1, 1000 * means / means.mean()), abs=0.51)


@given(counts)
def test_cpu_is_that_of_a_request(requests: list[int]) -> None:
    costs = np.array([len(each) / sum(each) for each in sixteenths(requests)])
    found = np.exp(parts.logs([parts.of(slices(requests)).app_cpu_parts]))[0]
    assert found == pytest.approx(np.maximum(1, 1000 * costs / costs.mean()), abs=0.51)


def test_fewer_slices_than_parts_say_nothing() -> None:
    assert parts.of(slices([10] * (PARTS - 1))) == Parts()
    assert parts.of(slices([10] * PARTS)) != Parts()


def test_a_part_without_a_good_answer_leaves_none() -> None:
    assert parts.of(slices([10] * 20 + [0, 0, 0, 0] + [10] * 8)) == Parts()


def test_without_a_clock_there_is_no_cpu() -> None:
    blind = [*slices([10] * 31), a_slice(requests=10, app_cpu_ns=None)]
    assert parts.of(blind).rps_parts
    assert parts.of(blind).app_cpu_parts == ""


def test_what_is_not_known_is_no_number_beside_what_is() -> None:
    text = " ".join(["1000"] * PARTS)
    found = parts.logs(["", text, ""])
    assert np.isnan(found).tolist() == [[True] * PARTS, [False] * PARTS, [True] * PARTS]
    assert found[1] == pytest.approx(np.log(1000))
    assert parts.logs([]).shape == (0, PARTS)


@pytest.mark.parametrize(
    "text",
    [
        "1000",
        " ".join(["1000"] * (PARTS + 1)),
        " ".join(["1000"] * (PARTS - 1) + ["x"]),
        " ".join(["1000"] * (PARTS - 1) + ["1.5"]),
        " ".join(["1000"] * (PARTS - 1) + ["0"]),
        " ".join(["1000"] * (PARTS - 1) + ["-7"]),
        " ".join(["1000"] * (PARTS - 1) + ["null"]),
        " ".join(["1000"] * (PARTS - 2) + ["", ""]),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not the parts of a block"):
        parts.logs([" ".join(["1000"] * PARTS), text])
