"""Numbers and names as they are shown."""

import math
from dataclasses import replace

import pytest

from harness.diff.welch import Mean, Shift
from harness.diff.wording import interval, listed, names, number, percent, ratio
from tests.factories import a_key

ENOUGH = 1e9
"""Degrees of freedom: the t quantile is the normal one."""


def shift(factor: float, half_width: float) -> Shift:
    return Shift(math.log(factor), (half_width / 1.959964) ** 2, ENOUGH)


@pytest.mark.parametrize(
    ("factor", "half_width", "shown"),
    [
        (0.95, 0.01, "-5.0 % [-5.9, -4.0]"),
        (1.05, 0.2, "+5 % [-14, +28]"),
        (1.0, 0.0005, "+0.00 % [-0.05, +0.05]"),
        (0.99999, 0.02, "+0.0 % [-2.0, +2.0]"),
        (2.0, 0.05, "+100.0 % [+90.2, +110.3]"),
        (1.0, 300.0, "+0 % [-100, +2,202,547]"),
    ],
)
def test_a_change_has_the_digits_its_interval_supports(
    factor: float, half_width: float, shown: str
) -> None:
    found = shift(factor, half_width)
    assert percent(found.size, found.half_width) + interval(found) == shown


def test_a_change_of_one_block_has_no_interval() -> None:
    found = Shift(math.log(1.1), None, None)
    assert percent(found.size, found.half_width) + interval(found) == "+10.0 %"


@pytest.mark.parametrize(
    ("value", "variance", "shown"),
    [
        (3.14159, None, "3.14x"),
        (0.0123, 0.0, "0.0123x ±0.0 %"),
        (1234.0, None, "1234x"),
        (1.0, (0.01 / 12.7062) ** 2, "1x ±1.0 %"),
        (1.0, (0.5 / 12.7062) ** 2, "1x ±65 %"),
    ],
)
def test_a_ratio_has_three_digits_and_its_spread(
    value: float, variance: float | None, shown: str
) -> None:
    assert ratio(Mean(math.log(value), variance, 1 if variance is None else 2)) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(1234.4, "1,234"), (99.94, "99.9"), (0.01234, "0.0123")]
)
def test_a_number_has_three_digits_or_all_before_the_point(value: float, shown: str) -> None:
    assert number(math.log(value)) == shown


@pytest.mark.parametrize(
    ("words", "shown"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_words_are_listed(words: list[str], shown: str) -> None:
    assert listed(words) == shown


def test_a_setting_is_named_by_the_axes_that_vary_in_its_group() -> None:
    few, many = a_key(concurrency=16).setting, a_key(concurrency=64).setting
    elsewhere = replace(few, group="h", rate=500.0)
    assert names([few, many, elsewhere]) == {
        few: "g: users_get, 16 connections",
        many: "g: users_get, 64 connections",
        elsewhere: "h: users_get, 500 req/s",
    }
