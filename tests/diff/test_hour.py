"""What another hour may do to ratios far from 1, and is nobody's change."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from harness.diff.compare import compare
from harness.parts import PARTS
from tests.diff.runs import (
    BASE,
    ENDPOINTS,
    SEEDS,
    STACKS,
    STEADY,
    a_side,
    cell,
    named,
    only,
    rows,
    simulated,
    two,
)

STEADILY = "ef" * (PARTS // 2)
MOVING = "WXYZabcdefghijkl"
SCATTERED = (1000.0, 1080.0, 930.0, 1010.0, 960.0, 1050.0, 990.0, 1030.0)


@pytest.mark.parametrize(
    ("factor", "names"), [(1 / 1.05, set()), (0.8, {("two", "users_list", "slower")})]
)
def test_at_three_times_the_baseline_five_per_cent_may_be_the_hour_and_a_fifth_is_named(
    factor: float, names: set[tuple[str, str, str]]
) -> None:
    slower = {("two", "users_list"): factor}
    said = [
        named(compare(simulated(seed, apart=1.0), simulated(seed + 1, slower, apart=1.0)))
        for seed in SEEDS
    ]
    assert sum(each == names for each in said) >= 0.9 * len(said)


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(1.0, "slower"), (1.3, "slower"), (1.4, "unclear"), (0.3, "unclear")]
)
def test_what_the_hour_may_do_grows_with_how_far_a_ratio_is_from_one(
    ratio: float, verdict: str
) -> None:
    before = two([ratio * each for each in STEADY])
    found = only(compare(before, two([0.958 * ratio * each for each in STEADY])), "one")
    assert (found.verdict, found.proven) == (verdict, verdict == "slower")


@pytest.mark.parametrize(
    ("scatter", "verdict"),
    [((1.0, 1.0, 1.0, 1.0), "slower"), ((0.95, 1.05, 0.99, 1.01), "unclear")],
)
def test_a_change_is_beyond_what_the_hour_and_the_scatter_do_together(
    scatter: Sequence[float], verdict: str
) -> None:
    before = two([3.0 * each for each in STEADY])
    after = two([0.85 * 3.0 * each * luck for each, luck in zip(STEADY, scatter, strict=True)])
    found = only(compare(before, after), "one")
    assert found.shift is not None
    assert found.shift.p is not None
    assert found.shift.p < 0.01
    assert found.verdict == verdict


def test_a_machine_in_a_mood_for_light_stacks_names_nobody_in_nine_of_ten_runs() -> None:
    clean = []
    for seed in SEEDS:
        mood = float(np.random.default_rng(seed).normal(0, 0.055 * math.sqrt(2)))
        moved: dict[tuple[str, str], float] = {
            (stack, endpoint): (1.0 + number) ** mood
            for number, stack in enumerate(STACKS)
            for endpoint in ENDPOINTS
        }
        a, b = simulated(seed, apart=1.0), simulated(seed + 1, moved, apart=1.0)
        clean.append(not compare(a, b).named)
    assert sum(clean) >= 0.9 * len(clean)


@pytest.mark.parametrize(("went", "verdict"), [(STEADILY, "slower"), (MOVING, "unclear")])
@pytest.mark.parametrize("wandering", [0, 1])
def test_a_change_of_what_moves_while_the_same_servers_are_up_must_exceed_one_blocks_scatter(
    went: str, verdict: str, wandering: int
) -> None:
    sides = [
        a_side(
            rows(cell(BASE), [1000.0 + number for number in range(8)], parts=STEADILY),
            rows(cell("one"), [factor * each for each in SCATTERED], parts=how),
        )
        for factor, how in zip((1.1, 1.0), (went, STEADILY)[:: 1 - 2 * wandering], strict=True)
    ]
    found = only(compare(*sides), "one")
    assert found.verdict == verdict
    assert found.a is not None
    assert found.b is not None
    assert [found.a.wander, found.b.wander][wandering] == (went == MOVING)
