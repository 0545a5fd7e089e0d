"""What differs around two runs, and which of it keeps their numbers apart."""

from typing import Any

import pytest

from harness.fingerprint import obstacles, tried, unlike
from tests.diff.runs import the_matrix
from tests.factories import ENVIRONMENT


def environment(**parts: Any) -> dict[str, Any]:
    return {**ENVIRONMENT, **parts}


def around(**parts: Any) -> list[str]:
    """Return what keeps a run from being compared with one whose environment has `parts`."""
    found = obstacles(environment(), environment(**parts), the_matrix(), the_matrix())
    return [each.text for each in found]


def asked(after: dict[str, Any], before: dict[str, Any] | None = None) -> list[str]:
    found = obstacles(environment(), environment(), before or the_matrix(), after)
    return [each.text for each in found]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"packages": {"asyncpg": "0.2", "psycopg": "3.1"}}, ["asyncpg 0.1 -> 0.2"]),
        ({"packages": {"asyncpg": "0.1"}}, ["psycopg 3.1 -> none"]),
        ({"packages": {**ENVIRONMENT["packages"], "aiopg": "1"}}, ["aiopg none -> 1"]),
        ({"python": "3.12.1"}, ["python 3.11.0 -> 3.12.1"]),
        ({"database": {**ENVIRONMENT["database"], "version": "19"}}, ["Postgres 18.0 -> 19"]),
    ],
)
def test_a_version_is_what_was_tried_and_no_obstacle(
    parts: dict[str, Any], said: list[str]
) -> None:
    assert [each.text for each in tried(environment(), environment(**parts))] == said
    assert around(**parts) == []


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"cpu": {"count": 4, "model": "A Processor"}}, ["cpu count 2 -> 4"]),
        (
            {"machine": {**ENVIRONMENT["machine"], "kernel": "7", "arch": "aarch64"}},
            ["machine arch x86_64 -> aarch64", "machine kernel 6.1 -> 7"],
        ),
        ({"affinity": {**ENVIRONMENT["affinity"], "app": None}}, ["affinity app [0] -> none"]),
        (
            {"database": {**ENVIRONMENT["database"], "settings": {"jit": "on"}}},
            ["database settings jit off -> on"],
        ),
        (
            {"database": {**ENVIRONMENT["database"], "embedded": False}},
            ["database embedded true -> false"],
        ),
        ({"harness": "0.2.0"}, ["harness 0.1.0 -> 0.2.0"]),
        ({"governor": "performance"}, ["governor none -> performance"]),
    ],
)
def test_another_machine_or_setting_is_an_obstacle_and_named(
    parts: dict[str, Any], said: list[str]
) -> None:
    assert around(**parts) == said
    assert tried(environment(), environment(**parts)) == []


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"seed": 7},
        {"git": {"revision": "abc", "dirty": True}},
        {"matrix_sha256": "ff"},
        {"governor": None},  # as good as not there
    ],
)
def test_what_may_differ_is_neither(parts: dict[str, Any]) -> None:
    assert around(**parts) == []
    assert tried(environment(), environment(**parts)) == []


def test_how_often_a_matrix_measures_is_no_obstacle() -> None:
    often = the_matrix(budget="1m", precision=0.1, min_blocks=2, max_blocks=9, seed=4)
    assert asked(often) == []
    assert asked(the_matrix(repeat_disturbed=False)) == []
    assert asked(the_matrix(name="other", baseline="one")) == []


def test_nor_is_the_baseline_of_a_group_or_the_order_of_stacks() -> None:
    after = the_matrix()
    after["group"] = [{**after["group"][0], "baseline": "one"}]
    after["stack"] = after["stack"][::-1]
    assert asked(after) == []


def test_what_a_matrix_measures_is_one_and_named_by_its_key() -> None:
    after = the_matrix(measure="1s")
    after["stack"][1]["options"] = {"reset": False}
    after["group"][0]["concurrency"] = [64]
    assert asked(after) == [
        "matrix group g concurrency none -> [64]",
        "matrix run measure 2s -> 1s",
        "matrix stack one options new",
    ]


def test_a_stack_or_a_group_that_came_or_went_is_one_line() -> None:
    few, many = the_matrix(["base"]), the_matrix(["base", "one"])
    few["group"] = many["group"]
    assert asked(many, few) == ["matrix stack one new"]
    assert asked(few, many) == ["matrix stack one gone"]


def of_one_run(after: dict[str, Any], **parts: Any) -> list[str]:
    """Return what keeps a run from going on with the matrix `after`."""
    found = unlike(environment(), environment(**parts), the_matrix(), after)
    return [each.text for each in found]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"packages": {"asyncpg": "0.2", "psycopg": "3.1"}}, ["packages asyncpg 0.1 -> 0.2"]),
        ({"python": "3.12.1"}, ["python 3.11.0 -> 3.12.1"]),
        ({"git": {"revision": "1", "dirty": False}}, ["git new"]),
        ({"cpu": {"count": 4, "model": "A Processor"}}, ["cpu count 2 -> 4"]),
        ({"matrix_sha256": "01"}, []),
    ],
)
def test_blocks_of_one_run_have_the_same_versions_and_the_same_machine(
    parts: dict[str, Any], said: list[str]
) -> None:
    assert of_one_run(the_matrix(), **parts) == said


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (the_matrix(measure="3s"), ["matrix run measure 2s -> 3s"]),
        (the_matrix(seed=2), ["matrix run seed none -> 2"]),
        (the_matrix(budget="1h", max_blocks=50, min_blocks=5, precision=0.01), []),
        (
            the_matrix(["base", "two", "one", "three"]),
            ['matrix group g stacks ["base","one","two","three"] -> ["base","two","one","three"]'],
        ),
    ],
)
def test_a_run_may_go_on_for_longer_and_not_otherwise(
    after: dict[str, Any], said: list[str]
) -> None:
    assert of_one_run(after) == said


def test_another_order_of_groups_is_another_order_of_blocks() -> None:
    def with_groups(*names: str) -> dict[str, Any]:
        return {**the_matrix(), "group": [{"name": name} for name in names]}

    found = unlike(environment(), environment(), with_groups("g", "h"), with_groups("h", "g"))
    assert [each.text for each in found] == ['matrix groups ["g","h"] -> ["h","g"]']
