"""A whole run, written, read again, and compared with the files under golden/.

After a change that is meant, `UPDATE_GOLDEN=1 pytest tests/results` writes them
again: read the git diff of golden/ before committing it.
"""

import csv
import difflib
import os
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from harness import matrix
from harness.environment import to_json
from harness.errors import BadInput
from harness.findings import find
from harness.matrix import Matrix
from harness.model import Observation
from harness.results import render, store
from harness.results.rebuild import rebuild
from harness.results.resolved import to_toml
from tests.factories import ENVIRONMENT
from tests.results.run import HOSTILE, the_matrix, the_observations

GOLDEN = Path(__file__).parent / "golden"
COMPUTED = ("cells.csv", "pairs.csv", "report.md", "report.html")
FILES = ("cells.csv", "pairs.csv", "report.md", "blocks.csv", "matrix.toml")


def run_into(
    folder: Path, measured: Matrix | None = None, rows: list[Observation] | None = None
) -> None:
    """Do what a run does after each block: record it, then write all that is computed."""
    measured = measured or the_matrix()
    rows = rows or the_observations()
    fixed = {"env.json": to_json(ENVIRONMENT), "matrix.toml": to_toml(measured)}
    with store.opened(folder) as opened:
        for row in rows:
            opened.record([row])
        found = find(measured, opened.observations)
        opened.write({**fixed, **render.files(measured, found, ENVIRONMENT)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("run") / "golden"
    run_into(made)
    return made


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", FILES)
def test_a_run_writes_the_golden_files(folder: Path, name: str) -> None:
    text, golden = (folder / name).read_text(), GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    before = golden.read_text().splitlines() if golden.exists() else []
    difference = list(
        difflib.unified_diff(before, text.splitlines(), f"golden/{name}", "now", lineterm="")
    )
    if difference:
        pytest.fail("\n".join([*difference, "", str(__doc__)]), pytrace=False)


def test_report_makes_the_same_bytes_from_the_blocks(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "copy"
    again.mkdir()
    for name in ("blocks.csv", "matrix.toml", "env.json"):
        (again / name).write_bytes((folder / name).read_bytes())
    assert rebuild(again) == list(COMPUTED)
    for name in COMPUTED:
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_a_number_near_a_rounding_step_is_the_same_from_memory_and_from_the_file(
    tmp_path: Path,
) -> None:
    """124.5000001 rounds up; the file says 124.5, which rounds to even."""
    rows = [
        row
        if row.rps is None
        else _with_rate(row, 124.5 + 1e-7 * (-1) ** index + 1e-5 * index, index)
        for index, row in enumerate(the_observations())
    ]
    run_into(tmp_path, rows=rows)
    before = {name: (tmp_path / name).read_bytes() for name in COMPUTED}
    rebuild(tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in COMPUTED} == before


def _with_rate(row: Observation, rps: float, index: int) -> Observation:
    return replace(row, rps=rps, cost=replace(row.cost, app_cpu_us=400.5 + 1e-6 * index))


def test_report_twice_is_the_same_bytes(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.rglob("*.*")}
    rebuild(folder)
    assert {path.name: path.read_bytes() for path in folder.rglob("*.*")} == before


def test_the_order_in_which_settings_were_measured_does_not_show(
    folder: Path, tmp_path: Path
) -> None:
    run_into(tmp_path, rows=the_observations()[::-1])
    for name in COMPUTED:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_every_cell_that_was_measured_has_its_row(folder: Path) -> None:
    cells = rows_of(folder, "cells.csv")
    assert len(cells) == len({row.key for row in the_observations()})
    keys = [(row["group"], row["endpoint"], row["stack"], int(row["limit"] or 0)) for row in cells]
    assert keys == sorted(keys)


def test_a_cell_without_a_number_has_empty_fields_and_never_a_zero(folder: Path) -> None:
    numbers = ("rps", "rps_lo", "rps_hi", "p50_ms", "max_ms", "app_cpu_us", "rss_end_mib")
    without = [row for row in rows_of(folder, "cells.csv") if row["outcome"] != "ok"]
    assert {row["outcome"] for row in without} == {"invalid", "failed", "unsupported"}
    for row in without:
        assert [row[name] for name in numbers] == [""] * len(numbers)
        assert row["flags"]


def test_a_cell_of_errors_only_reads_zero_and_not_blank(folder: Path) -> None:
    (row,) = [
        row
        for row in rows_of(folder, "cells.csv")
        if (row["endpoint"], row["stack"]) == ("books_list", "broken")
    ]
    assert (row["rps"], row["requests"], row["error_pct"]) == ("0", "0", "100")
    assert (row["rps_lo"], row["p50_ms"], row["app_cpu_us"]) == ("", "", "")
    assert (
        "| broken | 0 | - |  | 0 % of noop | - | - | - | - | 64 | 3 | 100 % | errors |"
        in (folder / "report.md").read_text()
    )


def test_no_file_holds_nan_or_infinity(folder: Path) -> None:
    for name in ("cells.csv", "pairs.csv"):
        for row in rows_of(folder, name):
            assert not {"nan", "inf", "-inf", "None"} & set(row.values())
    assert not re.search(r"\b(nan|inf|None)\b", (folder / "report.md").read_text())


def test_lanes_are_never_compared_with_each_other(folder: Path) -> None:
    stacks = {row["stack"]: row["lane"] for row in rows_of(folder, "cells.csv")}
    for row in rows_of(folder, "pairs.csv"):
        assert stacks[row["baseline"]] == row["lane"]


def test_every_pair_has_both_metrics_of_its_loop(folder: Path) -> None:
    pairs = rows_of(folder, "pairs.csv")
    for rated, metrics in ((False, ["app_cpu_us", "rps"]), (True, ["app_cpu_us", "p99_ms"])):
        found = [row["metric"] for row in pairs if bool(row["rate"]) == rated]
        assert found == metrics * (len(found) // 2) != []


def test_every_row_of_every_table_has_as_many_cells_as_its_heading(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(tables) >= 6
    for table in tables:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


def test_a_message_breaks_no_table_and_is_no_html(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    assert HOSTILE not in text
    assert "\r" not in text
    assert "<script" not in text
    assert r"a\|b" in text
    assert "&lt;script>alert(1)&lt;/script> &amp; more" in text


def test_the_resolved_matrix_is_what_was_measured(folder: Path) -> None:
    with (folder / "matrix.toml").open("rb") as file:
        again = matrix.parse(tomllib.load(file), "x")
    assert to_toml(again) == to_toml(the_matrix())


# What report refuses


def damaged(folder: Path, tmp_path: Path, name: str, text: str | None) -> Path:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    if text is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("blocks.csv", None, "blocks.csv: cannot be read: No such file or directory"),
        ("blocks.csv", "", "blocks.csv: its columns are not those of this version of the harness"),
        ("matrix.toml", None, "matrix.toml: cannot be read: No such file or directory"),
        ("matrix.toml", "", "stack: is required"),
        ("env.json", None, "env.json: cannot be read: No such file or directory"),
        ("env.json", "{", "env.json: not JSON: "),
        ("env.json", "[]", "env.json: not an environment of a run"),
        ("env.json", "{}", "env.json: not an environment of a run: 'machine'"),
        ("env.json", '{"machine": 1}', "env.json: not an environment of a run: "),
    ],
)
def test_a_folder_that_lacks_a_part_is_refused_and_left_as_it_was(
    folder: Path, tmp_path: Path, name: str, text: str | None, said: str
) -> None:
    broken = damaged(folder, tmp_path, name, text)
    before = {path.name: path.read_bytes() for path in broken.rglob("*.*")}
    with pytest.raises(BadInput) as caught:
        rebuild(broken)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {path.name: path.read_bytes() for path in broken.rglob("*.*")} == before


@pytest.mark.parametrize(
    ("pattern", "after", "said"),
    [
        (r",,,c[^,\n]*,", ",,,garbage,", "blocks.csv: not as it was written: "),
        (r",c[-\w][^,\n]{30,}", ",garbage", "blocks.csv: not as it was written: "),
        (r'"\{""pool_timeout.*?\}"', "{", "blocks.csv: not as it was written: "),
        (
            r"idiomatic,users_get,alike",
            "idiomatic,users_get,another",
            (
                "blocks.csv: holds another on users_get in idiomatic, "
                "a cell that the matrix.toml beside it does not"
            ),
        ),
    ],
)
def test_blocks_that_are_not_as_written_are_refused(
    folder: Path, tmp_path: Path, pattern: str, after: str, said: str
) -> None:
    text, count = re.subn(pattern, after, (folder / "blocks.csv").read_text(), count=1)
    assert count == 1
    with pytest.raises(BadInput) as caught:
        rebuild(damaged(folder, tmp_path, "blocks.csv", text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ceilings_stand_below_the_stacks_in_italics(folder: Path) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", (folder / "report.md").read_text(), re.MULTILINE)
    (users_get, *_) = tables
    names = [line.split(" | ")[0] for line in users_get.splitlines()[2:]]
    assert names[-2:] == ["| *noop*", "| *pgbench*"]
    assert not any(name.startswith("| *") for name in names[:-2])


def test_a_setting_without_ceilings_has_no_column_for_them(folder: Path) -> None:
    headings = [
        line
        for line in (folder / "report.md").read_text().splitlines()
        if "| stack | req/s" in line
    ]
    with_column = [line for line in headings if "of ceiling" in line]
    assert (len(headings), len(with_column)) == (8, 2)
