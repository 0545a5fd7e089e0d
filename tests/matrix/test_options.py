"""Adapter options as an axis: which cells there are, which cannot be, and what is refused."""

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import plan, preflight
from harness.errors import BadInput
from harness.matrix import Matrix, narrowed, parse
from harness.matrix.values import named
from harness.results.resolved import to_toml
from tests.factories import a_matrix

STACKS = [
    {"name": "raw", "adapter": "asyncpg_pool"},
    {"name": "orm", "adapter": "sqlalchemy_sync", "options": {"threads": 7}},
]


def swept(**options: Sequence[object]) -> Matrix:
    return a_matrix(
        stack=STACKS, group=[{"name": "g", "endpoint": ["users_get"], "options": options}]
    )


def test_each_combination_of_swept_options_is_a_setting_of_its_own() -> None:
    matrix = swept(threads=[40, 200], style=["orm", "core"])
    settings = plan.settings(matrix)
    assert [each.options for each in settings] == [
        "style=orm, threads=40",
        "style=core, threads=40",
        "style=orm, threads=200",
        "style=core, threads=200",
    ]
    assert len({key.options for key in plan.cells(matrix)}) == 4


def test_without_swept_options_nothing_is_named() -> None:
    assert {each.options for each in plan.settings(swept())} == {""}


def test_a_stack_is_served_with_the_value_of_its_setting_and_its_other_options() -> None:
    matrix = swept(style=["orm", "core"], threads=[200])
    for setting, style in zip(plan.settings(matrix), ("orm", "core"), strict=True):
        (stack,) = plan.stacks(matrix, setting)
        options = plan.options(stack, setting)
        assert (options["style"], options["threads"], options["pool_size"]) == (style, 200, 10)
    (setting,) = plan.settings(swept(style=["core"]))
    (stack,) = plan.stacks(swept(style=["core"]), setting)
    assert stack.options["threads"] == 7


def test_a_swept_overflow_counts_among_the_connections() -> None:
    matrix = swept(max_overflow=[0, 5])
    found = [
        plan.connections(stack, setting)
        for setting in plan.settings(matrix)
        for stack in plan.stacks(matrix, setting)
        if stack.name == "orm"
    ]
    assert found == [10, 15]


def test_an_option_that_a_stack_does_not_have_takes_it_out_with_the_reason() -> None:
    matrix = swept(reset=[True, False])
    for setting in plan.settings(matrix):
        assert [stack.name for stack in plan.stacks(matrix, setting)] == ["raw"]
        assert plan.refusals(matrix, setting) == {
            "orm": "sqlalchemy_sync has no option 'reset'",
        }


def test_a_word_that_only_another_adapter_knows_takes_a_stack_out_with_the_reason() -> None:
    matrix = a_matrix(
        stack=[*STACKS, {"name": "other", "adapter": "psycopg_pool"}],
        group=[{"name": "g", "endpoint": ["books_list"], "options": {"style": ["core"]}}],
    )
    (setting,) = plan.settings(matrix)
    assert plan.refusals(matrix, setting).keys() == {"raw", "other"}


def test_the_plan_names_what_is_unsupported_and_counts_no_connections_for_it() -> None:
    text = preflight.text(swept(reset=[False]), None)
    assert text.startswith(
        "users_get: raw; orm unsupported: sqlalchemy_sync has no option 'reset'; "
        "ceilings noop, pgbench; 20 connections at once\n"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"echo": True}, "options.echo: expected a list of values, got true"),
        ({"echo": []}, "options.echo: expected at least one value, got none"),
        ({"echo": [True, True]}, "options.echo: true stands in it twice"),
        (
            {"style": [["orm"]]},
            "options.style[0]: expected text, a number, true or false, got ['orm']",
        ),
        ([], "options: expected a table, got []"),
        ({"threads": [40, "x"]}, 'options.threads[1]: expected an integer, got "x"'),
        ({"reset": [0]}, "options.reset[0]: expected true or false, got 0"),
        ({"style": ["core", "x"]}, "options.style[1]: expected 'orm' or 'core', got \"x\""),
        ({"style": [1]}, "options.style[0]: expected 'orm' or 'core', got 1"),
        (
            {"pool_size": [1, 2]},
            "options.pool_size: is an axis of the group itself: pool_size = [1, 2]",
        ),
    ],
)
def test_values_that_no_stack_can_take_are_one_line(options: Any, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        a_matrix(stack=STACKS, group=[{"name": "g", "endpoint": ["users_get"], "options": options}])
    assert str(caught.value) == f"group[0].{said}"


def test_an_option_that_no_stack_of_the_group_knows_is_refused() -> None:
    with pytest.raises(BadInput, match=r"^group\[0\]\.options\.rest: unknown option 'rest'; did "):
        swept(rest=[True])
    group = {"name": "g", "endpoint": ["users_get"], "options": {"threads": [1]}, "stacks": ["raw"]}
    with pytest.raises(BadInput, match=r"^group\[0\]\.options\.threads: unknown option 'threads'"):
        a_matrix(stack=STACKS, group=[group])


def test_what_only_left_out_stacks_know_is_no_axis_any_more() -> None:
    matrix = swept(reset=[True, False], threads=[1, 2])
    kept = narrowed(matrix, ["raw"])
    assert kept.groups[0].options == {"reset": [True, False]}
    assert plan.cells(parse(tomllib.loads(to_toml(kept)), "m")) == plan.cells(kept)


def test_swept_options_are_read_back_as_they_were() -> None:
    matrix = swept(pool_timeout=[0.5, 30], style=["orm", "core"])
    again = parse(tomllib.loads(to_toml(matrix)), "m")
    assert plan.cells(again) == plan.cells(matrix)
    assert plan.settings(matrix)[0].options == "pool_timeout=0.5, style=orm"


VALUES = st.one_of(
    st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
OPTIONS = st.dictionaries(st.from_regex(r"[a-z_]{1,5}", fullmatch=True), VALUES, max_size=3)


@given(OPTIONS, OPTIONS)
def test_two_combinations_have_one_name_only_if_they_are_the_same(
    one: Mapping[str, Any], other: Mapping[str, Any]
) -> None:
    # repr tells 1 from 1.0 and from true, which are equal.
    same = repr(sorted(one.items())) == repr(sorted(other.items()))
    assert (named(one) == named(other)) == same


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, ""),
        ({"threads": 200, "echo": True}, "echo=true, threads=200"),
        ({"recycle": -1, "timeout": 0.5}, "recycle=-1, timeout=0.5"),
        ({"books": "json_agg"}, "books=json_agg"),
        ({"a": "true", "b": "1", "c": "x, y=2"}, 'a="true", b="1", c="x, y=2"'),
        ({"a": "two\nlines"}, 'a="two\\nlines"'),
    ],
)
def test_a_combination_is_named_by_its_values(options: Mapping[str, Any], text: str) -> None:
    assert named(options) == text
