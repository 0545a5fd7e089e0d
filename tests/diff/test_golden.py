"""What `diff` prints, compared with the files under golden/.

After a change that is meant, `UPDATE_GOLDEN=1 pytest tests/diff` writes them again:
read the git diff of golden/ before committing it.
"""

import difflib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.columns import columns
from harness.diff.compare import Difference, compare
from harness.diff.document import to_json
from harness.diff.gates import gate, met
from harness.diff.layout import layout
from harness.diff.markdown import markdown
from harness.diff.side import Observed, Side
from harness.diff.text import text
from harness.model import Comparison, Key, Summary
from tests.diff.runs import BASE, a_side, cell, rows, the_matrix
from tests.factories import ENVIRONMENT, some_errors

GOLDEN = Path(__file__).parent / "golden"
SPREAD = (1.002, 0.998, 1.004, 0.996, 1.001, 0.999, 1.003, 0.997)
WILD = (0.8, 1.25, 1.0, 1.1, 0.9, 1.2, 0.95, 1.05)
HOSTILE = "A | Processor <b>@ 3 GHz</b> ~fast~"
"""What no table may break on: a pipe, HTML, strokes."""

STACKS = (BASE, "quick", "alike", "noisy", "failing", "broken", "old", "fresh")
GATES = ("slower", "errors", "rss:5%")


def measured(
    stack: str, rate: float, spread: Sequence[float] = SPREAD, **more: Any
) -> list[Observed]:
    """Return the rows of a cell of the first setting; each stack has luck in other blocks."""
    return rows(cell(stack), [rate * each for each in turned(spread, _place(stack))], **more)


def elsewhere(stack: str, rate: float) -> list[Observed]:
    """Return the rows of a cell of another setting."""
    key = replace(cell(stack), concurrency=64)
    return rows(key, [rate * each for each in turned(SPREAD, _place(stack))])


def _place(stack: str) -> int:
    return STACKS.index(stack) if stack in STACKS else 0


def turned(spread: Sequence[float], by: int) -> list[float]:
    """Return `spread` from another place on."""
    start = by % len(spread)
    return [*spread[start:], *spread[:start]]


def before(**parts: Any) -> Side:
    return a_side(
        measured(BASE, 1600),
        measured("quick", 5200),
        measured("alike", 3100),
        measured("noisy", 1400),
        measured("failing", 2000),
        measured("broken", 1000),
        measured("old", 1000),
        *(
            elsewhere(stack, rate)
            for stack, rate in ((BASE, 1650), ("quick", 5300), ("alike", 3200))
        ),
        rows(cell("quick", "users_list"), [2100.0, 2110.0, 2105.0]),
        label="HEAD~1 (1a2b3c4): results/matrix, measured at 0f1e2d3",
        matrix=the_matrix(STACKS),
        **parts,
    )


def after(**parts: Any) -> Side:
    errors = [
        replace(row, by_class=some_errors(pool_timeout=90 + row.block))
        for row in measured("failing", 2000)
    ]
    return a_side(
        measured(BASE, 1590, SPREAD[::-1]),
        measured("quick", 4300, rss_end_mib=71.0, rss_peak_mib=72.0),
        measured("alike", 3110, SPREAD[::-1]),
        measured("noisy", 1400, WILD),
        errors,
        measured("broken", 1000, outcome="invalid"),
        measured("fresh", 1000),
        *(
            elsewhere(stack, rate)
            for stack, rate in ((BASE, 1400), ("quick", 5310), ("alike", 3210))
        ),
        rows(cell("quick", "users_list"), [2000.0, 2010.0, 2005.0]),
        label="results/matrix, measured at 1a2b3c4 with changes",
        matrix=the_matrix(STACKS),
        **parts,
    )


TRIED = {**ENVIRONMENT, "packages": {"asyncpg": "0.2", "psycopg": "3.1"}, "python": "3.12.1"}


@pytest.fixture(scope="module")
def comparable() -> Difference:
    return compare(before(), after(environment=TRIED))


@pytest.fixture(scope="module")
def apart() -> Difference:
    there = {**TRIED, "cpu": {"count": 4, "model": HOSTILE}, "harness": "0.2.0"}
    return compare(before(), after(environment=there))


def check(name: str, now: str) -> None:
    golden = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(now)
    then = golden.read_text().splitlines() if golden.exists() else []
    difference = list(
        difflib.unified_diff(then, now.splitlines(), f"golden/{name}", "now", lineterm="")
    )
    if difference:
        pytest.fail("\n".join([*difference, "", str(__doc__)]), pytrace=False)


def test_the_text_is_the_golden_one(comparable: Difference) -> None:
    check("comparable.txt", text(layout(comparable)) + "\n")


def test_the_text_of_two_machines_is_the_golden_one(apart: Difference) -> None:
    check("apart.txt", text(layout(apart)) + "\n")


def test_the_markdown_is_the_golden_one(comparable: Difference) -> None:
    check("comparable.md", markdown(layout(comparable)) + "\n")


def test_the_markdown_of_two_machines_is_the_golden_one(apart: Difference) -> None:
    check("apart.md", markdown(layout(apart)) + "\n")


def test_the_json_is_the_golden_one(comparable: Difference) -> None:
    failed = met(comparable, [gate(each) for each in GATES])
    check("comparable.json", to_json(comparable, failed) + "\n")


def test_every_row_of_a_markdown_table_has_as_many_cells_as_its_heading(apart: Difference) -> None:
    found = re.findall(r"(?:^\|.*\n)+", markdown(layout(apart)) + "\n", re.MULTILINE)
    assert len(found) >= 3
    for table in found:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


def test_a_hostile_name_breaks_no_markdown(apart: Difference) -> None:
    shown = markdown(layout(apart))
    assert HOSTILE not in shown
    assert r"A \| Processor &lt;b>@ 3 GHz&lt;/b> \~fast\~" in shown


def test_json_keys_are_column_names(comparable: Difference) -> None:
    document = json.loads(to_json(comparable, []))
    key, pairs, cells = (set(columns(kind)) for kind in (Key, Comparison, Summary))
    own = {"a", "b", "reference", "p", "proven", "rose", "fell"}
    for row in document["pairs"]:
        assert key <= row.keys() <= pairs | own
    for row in document["absolutes"]:
        assert key <= row.keys() <= pairs | own
        assert row["metric"] in cells
    for row in document["cells"]:
        assert key <= row.keys() <= cells | own
        assert set(row["a"]) <= cells
    for row in document["new"] + document["gone"]:
        assert row.keys() == key


def test_the_same_blocks_are_no_tables(comparable: Difference) -> None:
    shown = text(layout(compare(before(), before())))
    assert shown.splitlines()[3:] == ["Both hold the same blocks: nothing was measured in between."]
    assert "req/s against" in text(layout(comparable))


def test_nothing_in_common_is_said() -> None:
    shown = text(layout(compare(a_side(measured("one", 1)), a_side(measured("two", 1)))))
    assert "No cell is in both: there is nothing to compare." in shown


def test_too_few_blocks_to_judge_is_said() -> None:
    a, b = (a_side(measured(BASE, 1, (1.0,)), measured("one", rate, (1.0,))) for rate in (2, 3))
    assert "No cell can be judged: " in text(layout(compare(a, b)))


def test_a_long_list_is_cut_and_says_so() -> None:
    many = [measured(f"s{number}", 1000) for number in range(30)]
    matrix = the_matrix([BASE, *(f"s{number}" for number in range(30))])
    shown = text(layout(compare(a_side(measured(BASE, 1000)), a_side(*many, matrix=matrix))))
    assert "  and 10 more (--json has all)" in shown
