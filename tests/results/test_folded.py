"""A report of many settings; its page is compared with the file under golden/.

After a change that is meant, `UPDATE_GOLDEN=1 pytest tests/results` writes it again.
"""

import difflib
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness import plan
from harness.findings import find
from harness.matrix import Matrix
from harness.model import Observation
from harness.results.markdown import report
from tests.factories import ENVIRONMENT, a_matrix, an_observation

GOLDEN = Path(__file__).parent / "golden" / "folded.md"
SPREAD = (1.002, 0.998, 1.004, 0.996)
RATES = {"base": 1000.0, "quick": 1300.0, "slow": 700.0, "alike": 1000.0}


def a_sweep(settings: int, *stacks: str) -> Matrix:
    return a_matrix(
        run={"name": "folded", "baseline": "base"},
        stack=[
            {"name": each, "adapter": "psycopg_pool" if each == "base" else "asyncpg_pool"}
            for each in stacks
        ],
        group=[
            {
                "name": "sweep",
                "endpoint": ["users_get"],
                "concurrency": list(range(1, settings + 1)),
            }
        ],
    )


def measured(matrix: Matrix, spread: tuple[float, ...] = SPREAD) -> list[Observation]:
    return [
        replace(an_observation(key, block), rps=RATES[key.stack] * luck ** (key.stack != "base"))
        for key in plan.cells(matrix)
        for block, luck in enumerate(spread, 1)
    ]


def the_report(matrix: Matrix, rows: list[Observation]) -> str:
    return report(matrix, find(matrix, rows), ENVIRONMENT)


def test_thirteen_settings_are_folded_as_in_the_golden_file() -> None:
    matrix = a_sweep(13, "base", "quick")
    text = the_report(matrix, measured(matrix))
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    before = GOLDEN.read_text().splitlines() if GOLDEN.exists() else []
    difference = list(difflib.unified_diff(before, text.splitlines(), GOLDEN.name, "now"))
    if difference:
        pytest.fail("\n".join([*difference, "", str(__doc__)]), pytrace=False)


def test_twelve_settings_are_open() -> None:
    matrix = a_sweep(12, "base", "quick")
    text = the_report(matrix, measured(matrix))
    assert "<details>" not in text
    assert len(re.findall("^## users_get", text, re.MULTILINE)) == 12


@pytest.mark.parametrize(
    ("stacks", "spread", "said"),
    [
        (("base", "slow", "quick"), SPREAD, "quick is faster than base (1.300"),
        (("base", "slow"), SPREAD, "slow is slower than base (0.700"),
        (("base", "slow", "alike"), SPREAD, "alike ties with base (1.000"),
        (("base", "alike"), (0.8, 1.25, 1.1, 0.9), "alike against base is unclear (1.0"),
        (("base", "quick"), (1.0,), "no verdict</summary>"),
        (("base",), SPREAD, "no verdict</summary>"),
    ],
)
def test_a_setting_is_folded_to_the_verdict_on_its_best(
    stacks: tuple[str, ...], spread: tuple[float, ...], said: str
) -> None:
    matrix = a_sweep(13, *stacks)
    (line, *_) = re.findall("<summary>.*", the_report(matrix, measured(matrix, spread)))
    assert line.startswith(f"<summary>users_get, 1 connection: {said}")
