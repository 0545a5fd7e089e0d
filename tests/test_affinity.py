import pytest

from harness.affinity import ANYWHERE, Cpus, Places, places
from harness.errors import BadInput
from harness.matrix import Run
from tests.factories import a_matrix


def run(affinity: object) -> Run:
    return a_matrix(run={"affinity": affinity}).run


def given(app: list[int], load: list[int], database: list[int]) -> Run:
    return run({"app": app, "load": load, "database": database})


@pytest.mark.parametrize(
    ("cpus", "app", "rest"),
    [
        ({0, 1}, {0}, {1}),
        ({0, 1, 2}, {0}, {1, 2}),
        ({0, 1, 2, 3}, {0, 1}, {2, 3}),
        ({4, 7, 9, 12}, {4, 7}, {9, 12}),
    ],
)
def test_auto_gives_the_app_cores_of_its_own(cpus: set[int], app: set[int], rest: set[int]) -> None:
    others = frozenset(rest)
    assert places(run("auto"), frozenset(cpus)) == Places(frozenset(app), others, others)


@pytest.mark.parametrize("cpus", [None, frozenset({0})])
def test_auto_pins_nothing_where_there_is_nothing_to_part(cpus: Cpus | None) -> None:
    assert places(run("auto"), cpus) == ANYWHERE


def test_off_pins_nothing() -> None:
    assert places(run("off"), frozenset({0, 1})) == ANYWHERE


def test_what_is_given_is_taken() -> None:
    expected = Places(frozenset({0}), frozenset({1}), frozenset({1, 2}))
    assert places(given([0], [1], [1, 2]), frozenset({0, 1, 2, 3})) == expected


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (given([5], [1], [1]), "run.affinity.app: CPU 5 is not usable here (usable: 0, 1)"),
        (given([0], [1, 9, 3], [1]), "run.affinity.load: CPU 3 is not usable here (usable: 0, 1)"),
        (given([0], [1], [2]), "run.affinity.database: CPU 2 is not usable here (usable: 0, 1)"),
    ],
)
def test_a_cpu_that_is_not_there_is_named(wanted: Run, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        places(wanted, frozenset({0, 1}))
    assert str(caught.value) == said


def test_a_platform_that_cannot_pin_refuses_a_table() -> None:
    with pytest.raises(BadInput, match='cannot pin processes; set it to "off"'):
        places(given([0], [1], [1]), None)
