"""How many generators a block gets."""

from dataclasses import replace
from typing import Literal

import pytest

from harness.generators import processes
from harness.matrix import Load
from harness.model import Key, Observation
from tests.factories import a_key, an_observation

SETTING = a_key().setting


def rows(*busy: float | None, generators: int = 1, key: Key | None = None) -> list[Observation]:
    return [
        an_observation(key, block, generator_busy=each, generators=generators)
        for block, each in enumerate(busy, 1)
    ]


@pytest.mark.parametrize(
    ("earlier", "load_cpus", "expected"),
    [
        ([], 8, 1),
        (rows(0.3, 0.69), 8, 1),
        (rows(0.3, 0.71), 8, 2),
        (rows(0.71, 0.3), 8, 2),  # the busiest, whichever block it was
        (rows(0.98), 8, 2),
        (rows(0.9, generators=2), 8, 3),
        (rows(0.9, generators=8), 64, 11),
        (rows(0.9, generators=2), 2, 2),
        (rows(0.98), 1, 1),
        (rows(0.9, generators=20), 64, 16),  # no more than connections
        (rows(None), 8, 1),
        (rows(0.98, key=a_key(endpoint="users_insert")), 8, 1),  # another setting
    ],
)
def test_auto_keeps_each_below_seven_tenths_of_a_core(
    earlier: list[Observation], load_cpus: int, expected: int
) -> None:
    assert processes(Load("auto"), SETTING, earlier, load_cpus) == expected


def test_a_search_for_a_capacity_is_one_processes_own() -> None:
    assert processes(Load(4), SETTING, rows(0.98), 8, searching=True) == 1


@pytest.mark.parametrize(("wanted", "expected"), [(1, 1), (2, 2), (16, 16), (17, 16), (64, 16)])
def test_a_number_is_taken_as_it_is_up_to_the_connections(wanted: int, expected: int) -> None:
    assert processes(Load(wanted), SETTING, rows(0.98), 1) == expected


@pytest.mark.parametrize("wanted", ["auto", 4])
def test_a_schedule_of_arrivals_is_one_processs(wanted: Literal["auto"] | int) -> None:
    open_loop = replace(SETTING, rate=100.0)
    assert processes(Load(wanted), open_loop, rows(0.98), 8) == 1


def test_how_a_comparison_came_out_changes_nothing() -> None:
    slow, fast = rows(0.9), [replace(each, rps=9e9, flags="drift") for each in rows(0.9)]
    assert processes(Load(), SETTING, slow, 8) == processes(Load(), SETTING, fast, 8)
