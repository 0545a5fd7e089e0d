"""What tools that keep benchmarks over time are given."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.findings import Findings, find
from harness.model import Observation
from harness.naming import cell_name
from harness.results import exports
from tests.diff.runs import written
from tests.factories import a_cost, a_key, a_matrix, an_observation, blocks

BASE = "g/users_get/base concurrency=16 pool_size=10 workers=1"
OTHER = "g/users_get/other concurrency=16 pool_size=10 workers=1"


def found(*rows: Observation) -> Findings:
    return find(a_matrix(run={"min_blocks": 2}), rows)


def two_stacks() -> Findings:
    other = a_key(stack="other", adapter="asyncpg_pool")
    return found(*blocks([1000.0, 1100.0]), *blocks([2000.0, 2200.0], other))


def test_a_benchmark_of_bencher_is_a_cell_with_its_measures_and_their_intervals() -> None:
    document = json.loads(exports.bmf(two_stacks()))
    assert list(document) == [BASE, OTHER]
    assert set(document[OTHER]["rps"]) == {"value", "lower_value", "upper_value"}
    assert document[OTHER]["rps"]["value"] == pytest.approx(2097.62, abs=0.01)
    assert document[OTHER]["rps_ratio"]["value"] == 2.0
    assert document[OTHER]["app_cpu_us"] == {"value": 400.0}
    assert "rps_ratio" not in document[BASE]


def benches(text: str) -> dict[str, Any]:
    return {each["name"]: each for each in json.loads(text)}


def test_what_is_better_when_bigger_is_apart_from_the_rest() -> None:
    bigger = benches(exports.bigger_is_better(two_stacks()))
    smaller = benches(exports.smaller_is_better(two_stacks()))
    assert {name.rpartition(" ")[2] for name in bigger} == {"rps", "rps_ratio"}
    assert {name.rpartition(" ")[2] for name in smaller} == {
        *(set(exports.UNITS) - {"rps"}),
        "app_cpu_us_ratio",
    }
    ratio = bigger[f"{OTHER} rps_ratio"]
    assert (ratio["unit"], ratio["value"], ratio["range"]) == ("x base", 2.0, "2 to 2")
    for each in (*bigger.values(), *smaller.values()):
        assert set(each) <= {"name", "unit", "value", "range"}
        assert isinstance(each["value"], float)


def test_what_was_not_measured_is_left_out_and_no_zero() -> None:
    unknown = an_observation(cost=a_cost(db_cpu_us=None, pss_end_mib=None))
    failed = blocks([None], a_key(stack="other", adapter="asyncpg_pool"))
    document = json.loads(exports.bmf(found(unknown, *failed)))
    assert list(document) == [BASE]
    assert {"db_cpu_us", "pss_end_mib"} & set(document[BASE]) == set()
    assert document[BASE]["rps"] == {"value": 1000.0}  # one block has no interval


def test_nothing_measured_is_an_empty_document() -> None:
    nothing = found(*blocks([None]))
    assert [json.loads(each(nothing)) for each in exports.EXPORTS.values()] == [{}, [], []]


def test_a_name_holds_every_axis_that_applies() -> None:
    key = a_key(endpoint="users_list", limit=100, rate=0.5, rtt_ms=5.0)
    assert cell_name(key) == (
        "g/users_list/base limit=100 concurrency=16 rate=0.5 pool_size=10 workers=1 rtt_ms=5"
    )


@pytest.mark.parametrize("form", list(exports.EXPORTS))
def test_the_command_prints_or_writes_it_and_leaves_the_folder_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    folder = written(tmp_path / "m", {"base": [1000.0] * 3, "other": [2000.0] * 3})
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    assert main(["report", str(folder), "--export", form]) == 0
    printed = capsys.readouterr().out
    assert OTHER in printed
    assert main(["report", str(folder), "--export", form, "-o", str(tmp_path / "b.json")]) == 0
    assert capsys.readouterr().out == ""
    assert (tmp_path / "b.json").read_text() == printed
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--export", "csv"], "error: Invalid value for '--export': 'csv' is not one of 'bmf'"),
        (["-o", "x"], "error: --output: goes with --export"),
        (["--export", "bmf", "-o", "/no/such/x"], "error: /no/such/x: cannot be written: No such"),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    folder = written(tmp_path / "m", {"base": [1000.0] * 3, "other": [2000.0] * 3})
    assert main(["report", str(folder), *arguments]) == 2
    complained = capsys.readouterr().err
    assert complained.startswith(said)
    assert complained.count("\n") == 1
