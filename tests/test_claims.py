"""Claims of a matrix: judged by what was found, never by what is missing."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.claims import Judged, judged
from harness.errors import BadInput
from harness.findings import find
from harness.matrix import narrowed, parse
from harness.model import Observation
from harness.observation import unmeasured
from harness.results.sections import claims
from harness.results.sections.material import Material
from tests.factories import ENVIRONMENT, a_document, a_key, a_matrix, an_observation, some_errors

BASE = a_key(stack="base", adapter="psycopg_pool")
OTHER = a_key(stack="other", adapter="asyncpg_pool")


def blocks(base: Sequence[float], other: Sequence[float]) -> list[Observation]:
    """Return a row a stack and block, with these req/s."""
    return [
        an_observation(key, number, rps=rps, requests=int(2 * rps))
        for number, pair in enumerate(zip(base, other, strict=True), 1)
        for key, rps in zip((BASE, OTHER), pair, strict=True)
    ]


STEADY = blocks([1000.0, 1001.0, 999.0], [1500.0, 1502.0, 1498.0])
RESTLESS = blocks([1000.0, 1000.0, 1000.0], [1500.0, 900.0, 1200.0])


def claiming(*expect: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"claim": [{"says": "other is faster", "expect": list(expect)} | more]}


def judge(rows: Sequence[Observation], *expect: dict[str, Any]) -> Judged:
    matrix = a_matrix(**claiming(*expect))
    (only,) = judged(matrix, find(matrix, rows))
    return only


RATIO = {"cell": {"stack": "other"}, "over": {"stack": "base"}, "column": "rps"}


@pytest.mark.parametrize(
    ("rows", "expected", "verdict"),
    [
        (STEADY, RATIO | {"least": 1.4}, "holds"),
        (STEADY, RATIO | {"least": 1.4, "most": 1.6}, "holds"),
        (STEADY, RATIO | {"least": 1.6}, "does not hold"),
        (STEADY, RATIO | {"most": 1.4}, "does not hold"),
        (RESTLESS, RATIO | {"least": 1.0}, "cannot be said"),
        ([], RATIO | {"least": 1.0}, "cannot be said"),
        (STEADY, RATIO, "cannot be said"),
        (STEADY, {"cell": {"stack": "base"}, "column": "rps", "least": 900}, "holds"),
        (STEADY, {"cell": {}, "column": "rps", "least": 900}, "holds"),
        (STEADY, {"cell": {}, "column": "rps", "least": 1200}, "does not hold"),
        (STEADY, {"cell": {"concurrency": 17}, "column": "rps", "least": 1}, "cannot be said"),
        (STEADY, {"cell": {"stack": "base"}, "column": "outcome", "equals": "ok"}, "holds"),
        (
            STEADY,
            {"cell": {"stack": "base"}, "column": "outcome", "equals": "failed"},
            "does not hold",
        ),
        (STEADY, {"cell": {"stack": "base"}, "column": "outcome", "least": 1}, "cannot be said"),
    ],
)
def test_a_claim_holds_by_the_whole_interval_of_every_figure(
    rows: Sequence[Observation], expected: dict[str, Any], verdict: str
) -> None:
    assert judge(rows, expected).verdict == verdict


def test_one_broken_bound_breaks_the_claim_and_an_unknown_one_leaves_it_open() -> None:
    good, broken = RATIO | {"least": 1.4}, RATIO | {"least": 1.6}
    unknown = {"cell": {"stack": "other", "workers": 2}, "column": "rps", "least": 1}
    assert judge(STEADY, good, unknown).verdict == "cannot be said"
    assert judge(STEADY, good, unknown, broken).verdict == "does not hold"


def test_a_ratio_of_a_setting_is_the_one_made_block_by_block() -> None:
    (line,) = judge(STEADY, RATIO | {"least": 1.4}).lines
    assert line.here is not None
    assert line.here.lo is not None
    assert line.here.hi is not None
    assert line.here.lo < 1.5 < line.here.hi


def test_a_ratio_across_settings_is_of_their_means() -> None:
    document = a_document(
        group=[{"name": "g", "endpoint": ["users_get"], "concurrency": [16, 32]}],
        **claiming(
            {
                "cell": {"stack": "base", "concurrency": 32},
                "over": {"concurrency": 16},
                "column": "rps",
                "least": 1.9,
            }
        ),
    )
    matrix = parse(document, "m")
    rows = [an_observation(BASE, 1, rps=1000.0)]
    rows.append(an_observation(replace(BASE, concurrency=32), 1, rps=2000.0))
    (only,) = judged(matrix, find(matrix, rows))
    assert only.verdict == "holds"
    assert only.lines[0].here is not None
    assert only.lines[0].here.value == pytest.approx(2.0)


def test_a_cell_without_a_number_says_why() -> None:
    rows = [unmeasured(OTHER, 1, "interleaved", "failed", "no licence"), an_observation(BASE)]
    (line,) = judge(rows, RATIO | {"least": 1.0}).lines
    assert (line.here, line.missing, line.met) == (None, "failed", None)
    (line,) = judge(rows, {"cell": {"stack": "other"}, "column": "outcome", "equals": "ok"}).lines
    assert line.met is False


def test_text_that_is_empty_was_not_measured() -> None:
    (line,) = judge(STEADY, {"cell": {"stack": "base"}, "column": "flags", "equals": "x"}).lines
    assert (line.here, line.missing, line.met) == (None, "not measured", None)


def test_errors_can_be_claimed() -> None:
    row = an_observation(BASE, by_class=some_errors(pool_timeout=40))
    wanted = {"cell": {"stack": "base"}, "column": "err_pool_timeout", "least": 1}
    assert judge([row], wanted).verdict == "holds"


def test_the_report_sets_what_was_published_beside_what_was_found() -> None:
    said = {"cell": {"stack": "base"}, "column": "rps", "published": 70.55}
    matrix = a_matrix(**claiming(RATIO | {"least": 1.4}, said, source="a write-up | of 2021"))
    text = claims.section(Material(matrix, find(matrix, STEADY), ENVIRONMENT))
    assert text.splitlines()[:3] == [
        "## Claims",
        "",
        "**Holds:** other is faster (a write-up \\| of 2021)",
    ]
    assert "| other, users_get | rps over that of base | - | 1.5000x [" in text
    assert "| base, users_get | rps | 70.5 | 1000 [" in text


def test_a_matrix_without_claims_has_no_such_section() -> None:
    matrix = a_matrix()
    assert claims.section(Material(matrix, find(matrix, STEADY), ENVIRONMENT)) == ""


def test_claims_about_what_is_left_out_are_left_out_too() -> None:
    matrix = a_matrix(**claiming(RATIO | {"least": 1.4}))
    assert narrowed(matrix, ["other"]).claims == ()
    assert narrowed(matrix, ["g"]).claims == matrix.claims


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ({"says": "x"}, "claim[0].expect: is required"),
        ({"says": "x", "expect": []}, "claim[0].expect: expected a list of figures, got []"),
        (
            {"says": "x", "expect": [{"cell": {"stak": "base"}, "column": "rps"}]},
            "claim[0].expect[0].cell: expected columns that name a cell (group, endpoint, stack",
        ),
        (
            {"says": "x", "expect": [{"cell": {}, "column": "speed"}]},
            'claim[0].expect[0].column: expected a column of cells.csv, got "speed"',
        ),
        (
            {"says": "x", "expect": [{"cell": {"stack": "nobody"}, "column": "rps"}]},
            'claim[0].expect[0].cell.stack: no stack is called "nobody"; known: base, other',
        ),
        (
            {"says": "x", "expect": [{"cell": {}, "over": {"group": "h"}, "column": "rps"}]},
            'claim[0].expect[0].over.group: no group is called "h"; known: g',
        ),
        (
            {"says": "x", "expect": [{"cell": {}, "column": "rps", "equals": "a", "least": 1}]},
            "claim[0].expect[0]: expected equals alone, for text, or bounds of a number, got both",
        ),
        (
            {"says": "x", "expect": [{"cell": {}, "column": "rps", "leats": 1}]},
            "claim[0].expect[0].leats: unknown key 'leats'; did you mean 'least'?",
        ),
    ],
)
def test_a_mistake_in_a_claim_is_one_line_with_its_place(claim: Any, said: str) -> None:
    with pytest.raises(BadInput) as error:
        a_matrix(claim=[claim])
    assert str(error.value).startswith(said)
