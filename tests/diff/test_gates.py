"""What `--fail-on` is met by."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from harness.diff.compare import Difference, compare
from harness.diff.gates import Gate, gate, met, unjudged
from harness.diff.side import Side
from harness.errors import BadInput
from tests.diff.runs import BASE, a_side, cell, rows
from tests.factories import ENVIRONMENT, some_errors

STEADY = (1000.0, 1001.0, 999.0, 1000.0)


def side(rate: float = 1.0, rss_mib: float = 64.0, *, blocks: int = 4, kernel: str = "6.1") -> Side:
    """Return a side of a baseline and one stack at `rate` times its speed."""
    many = [rows(cell(BASE), STEADY), rows(cell("one"), [rate * each for each in STEADY])]
    many[1] = [replace(row, rss_end_mib=rss_mib + row.block / 100) for row in many[1]]
    machine = {**ENVIRONMENT["machine"], "kernel": kernel}
    environment = {**ENVIRONMENT, "machine": machine}
    return a_side(*(each[:blocks] for each in many), environment=environment)


def said(difference: Difference, *texts: str) -> list[str]:
    return met(difference, [gate(text) for text in texts])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("slower", Gate("slower", 0.03)),
        ("slower:5%", Gate("slower", 0.05)),
        ("slower:0.5%", Gate("slower", 0.005)),
        ("rss", Gate("rss", 0.10)),
        ("rss:0%", Gate("rss", 0.0)),
        ("errors", Gate("errors", 0.0)),
    ],
)
def test_a_gate_is_a_word_and_perhaps_a_percentage(text: str, expected: Gate) -> None:
    assert gate(text) == expected


@pytest.mark.parametrize(
    "text", ["", "faster", "slower:", "slower:5", "slower:-5%", "slower:x%", "errors:1%", "rss:%"]
)
def test_anything_else_is_one_clear_line(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        gate(text)
    assert str(caught.value) == (
        f"--fail-on {text}: expected slower, rss or errors, the first two also with a "
        "percentage, such as slower:5%"
    )


@pytest.mark.parametrize(
    ("rate", "text", "fails"),
    [
        (0.96, "slower", True),
        (0.98, "slower", False),
        (0.98, "slower:1%", True),
        (0.96, "slower:5%", False),
        (0.94, "slower:5%", True),
        (1.06, "slower", False),
        (1.0, "slower:0%", False),
    ],
)
def test_slower_is_a_proven_change_beyond_its_percentage(
    rate: float, text: str, fails: bool
) -> None:
    assert bool(said(compare(side(), side(rate)), text)) == fails


def test_a_line_names_the_stack_the_endpoint_and_the_change() -> None:
    lines = said(compare(side(), side(0.9)), "slower")
    assert [line.split(" [")[0] for line in lines] == [
        "slower: g: users_get: one: req/s -10.0 %",
        "slower: g: users_get: one: app CPU per request +11.1 %",
    ]


def test_what_is_not_asked_for_does_not_fail() -> None:
    assert said(compare(side(), side(0.5, 128)), "errors") == []
    assert said(compare(side(), side(0.5, 128))) == []


@pytest.mark.parametrize(
    ("rss_mib", "text", "fails"),
    [(72.0, "rss", True), (68.0, "rss", False), (68.0, "rss:5%", True), (50.0, "rss", False)],
)
def test_rss_is_memory_that_grew(rss_mib: float, text: str, fails: bool) -> None:
    lines = said(compare(side(), side(rss_mib=rss_mib)), text)
    assert bool(lines) == fails
    assert all("rss: g: users_get: one: RSS after load +" in line for line in lines)


def test_rss_of_another_machine_is_not_judged_and_that_is_said() -> None:
    difference = compare(side(), side(rss_mib=640.0, kernel="7.0"))
    assert said(difference, "rss") == []
    assert [line.split(":")[0] for line in unjudged(difference, [gate("rss")])] == ["--fail-on rss"]
    assert unjudged(compare(side(), side()), [gate("rss")]) == []


def test_slower_says_when_it_had_nothing_to_judge() -> None:
    assert unjudged(compare(side(), side(blocks=2)), [gate("slower")])
    assert not unjudged(compare(side(), side()), [gate("slower")])


@pytest.mark.parametrize(
    ("counts", "lines"),
    [
        ([0, 0, 0, 0], []),
        ([50, 51, 50, 52], ["errors: g: users_get: one: 0 % -> 2.47 % of requests"]),
    ],
)
def test_errors_that_rose_fail(counts: Sequence[int], lines: list[str]) -> None:
    bad = [
        replace(row, by_class=some_errors(timeout=count))
        for row, count in zip(rows(cell("one"), STEADY), counts, strict=True)
    ]
    assert said(compare(side(), a_side(rows(cell(BASE), STEADY), bad)), "errors") == lines


def test_a_cell_without_a_number_any_more_fails_errors() -> None:
    lost = [replace(row, outcome="invalid", rps=None) for row in rows(cell("one"), STEADY)]
    difference = compare(side(), a_side(rows(cell(BASE), STEADY), lost))
    assert said(difference, "errors") == ["errors: g: users_get: one: ok -> invalid"]


def test_a_slower_baseline_is_what_fails() -> None:
    stacks = (BASE, "one", "two", "three")
    a = a_side(*(rows(cell(stack), STEADY) for stack in stacks))
    slow = [rows(cell(BASE), [0.9 * each for each in STEADY])]
    b = a_side(*slow, *(rows(cell(stack), STEADY) for stack in stacks[1:]))
    lines = said(compare(a, b), "slower")
    assert lines
    assert all(line.startswith(f"slower: g: users_get: {BASE}: ") for line in lines)
