import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.duration import MAX_S, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("2s", 2.0),
        ("5m", 300.0),
        ("1h", 3600.0),
        ("0.5s", 0.5),
        ("1100ms", 1.1),
        (" 2s ", 2.0),
        ("0s", 0.0),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "2", "s", "2 s", "-2s", "+2s", "1e3s", "2S", "2sec", ".5s", "2.s", "nans", "infs", "٣s"],
)
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match='expected a duration such as "250ms", "2s" or "5m", got'):
        parse_duration(text)


def test_a_long_or_broken_text_is_quoted_on_one_short_line() -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        parse_duration("a\n" * 100)
    assert str(caught.value).endswith('..."')
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["8785h", "9" * 400 + "s"])
def test_more_than_a_year_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at most a year"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0ms"),
        (0.1, "100ms"),
        (0.25, "250ms"),
        (1.1, "1100ms"),
        (1.0, "1s"),
        (90.0, "90s"),
        (300.0, "5m"),
        (7200.0, "2h"),
        (1500.5, "1500.5s"),
        (0.0000001, "0.0000001s"),
    ],
)
def test_a_duration_is_written_in_the_largest_whole_unit(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(0, MAX_S))
def test_what_is_written_is_read_as_the_same_time(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds
