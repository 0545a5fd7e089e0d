"""Both sides read from real folders and real git repositories, by the command itself."""

import contextlib
import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.beside import beside
from harness.columns import columns
from harness.diff import command
from harness.model import Observation
from tests.diff.runs import written
from tests.factories import a_matrix

WIDTH = len(columns(Observation))
STEADY = (1000.0, 1003.0, 998.0, 1001.0)
FAST = {"base": STEADY, "other": (2000.0, 2002.0, 1999.0, 2001.0)}
SLOW = {"base": STEADY, "other": (1800.0, 1802.0, 1799.0, 1801.0)}


@dataclass(frozen=True)
class Said:
    """What the command printed, and how it ended."""

    code: int
    out: str
    err: str


Diff = Callable[..., Said]


@pytest.fixture
def diff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Diff:
    """Return the command, run in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Said:
        code = cli.main(["diff", *arguments])
        printed = capsys.readouterr()
        return Said(code, printed.out, printed.err)

    return run


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make what `repository` is a copy of: to commit takes longer than most tests of it."""
    made = tmp_path_factory.mktemp("committed")
    with contextlib.chdir(made):
        git("init", "-q", "-b", "trunk")
        for tag, rates in (("v1", FAST), ("v2", SLOW)):
            written(Path("results/matrix"), rates)
            git("add", "-A")
            git("commit", "-q", "-m", tag)
            git("tag", tag)
    return made


@pytest.fixture
def repository(committed: Path, diff: Diff) -> Path:
    """Return a repository: v1 was fast, v2 is slow, and so is the working tree."""
    return shutil.copytree(committed, Path.cwd(), dirs_exist_ok=True)


SLOWER = "g: users_get: other is slower: req/s -10.0 %"


def answer(said: Said) -> list[str]:
    return said.out.split("\n\n")[1].splitlines()


# Which side is which


def test_two_folders(diff: Diff) -> None:
    written(Path("x/before"), FAST)
    written(Path("y"), SLOW)
    said = diff("x/before", "y")
    assert said.code == 0
    assert said.out.splitlines()[:2] == ["A: x/before", "B: y"]
    assert answer(said)[0].startswith(SLOWER)


@pytest.mark.parametrize(
    "arguments", [("v1", "v2"), ("HEAD~1", "HEAD"), ("v1",), ("trunk~1", "v2")]
)
def test_two_revisions_or_one_and_the_working_tree(
    diff: Diff, repository: Path, arguments: Sequence[str]
) -> None:
    said = diff(*arguments)
    assert said.code == 0
    assert answer(said)[0].startswith(SLOWER)


def test_a_full_sha_is_a_revision(diff: Diff, repository: Path) -> None:
    sha = git("rev-parse", "v1")
    said = diff(sha)
    assert said.out.splitlines()[0] == f"A: {sha}: results/matrix"
    assert answer(said)[0].startswith(SLOWER)


def test_a_revision_is_named_with_its_commit(diff: Diff, repository: Path) -> None:
    short = git("rev-parse", "v1")[:7]
    assert diff("v1").out.splitlines()[:2] == [
        f"A: v1 ({short}): results/matrix",
        "B: results/matrix",
    ]


@pytest.mark.parametrize("arguments", [(), ("matrix",), ("results/matrix",), ("results",)])
def test_without_a_revision_it_is_head_and_the_working_tree(
    diff: Diff, repository: Path, arguments: Sequence[str]
) -> None:
    said = diff(*arguments)
    assert answer(said) == ["Both hold the same blocks: nothing was measured in between."]
    written(Path("results/matrix"), FAST)
    said = diff(*arguments)
    assert answer(said)[0].startswith("g: users_get: other is faster: req/s +11.")


def test_a_folder_and_a_revision(diff: Diff, repository: Path) -> None:
    written(Path("elsewhere"), SLOW)
    assert answer(diff("v1", "elsewhere"))[0].startswith(SLOWER)
    assert answer(diff("elsewhere", "v1"))[0].startswith("g: users_get: other is faster")


def test_it_works_from_a_folder_inside_the_repository(
    diff: Diff, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = repository / "services" / "one"
    written(inside / "results" / "matrix", FAST)
    git("add", "-A")
    git("commit", "-q", "-m", "inside")
    written(inside / "results" / "matrix", SLOW)
    monkeypatch.chdir(inside)
    for arguments in ((), ("results/matrix",), ("HEAD",)):
        assert answer(diff(*arguments))[0].startswith(SLOWER)


def test_nothing_of_the_checkout_is_touched(diff: Diff, repository: Path) -> None:
    (repository / "results" / "matrix" / "note").write_text("mine")
    before = git("status", "--porcelain"), git("rev-parse", "HEAD"), git("stash", "list")
    files = {path: path.stat().st_mtime_ns for path in repository.rglob("results/**/*")}
    diff("v1", "v2")
    assert (git("status", "--porcelain"), git("rev-parse", "HEAD"), git("stash", "list")) == before
    assert {path: path.stat().st_mtime_ns for path in repository.rglob("results/**/*")} == files


def test_a_path_that_exists_wins_over_a_revision(diff: Diff, repository: Path) -> None:
    Path("v1").mkdir()
    said = diff("v1", "v2")
    assert (said.code, said.err) == (
        2,
        "error: v1/<name>: holds no results: no blocks.csv is there\n",
    )


# Several results


@pytest.fixture
def several(repository: Path) -> Path:
    """Return the repository with a second results folder, committed and changed since."""
    written(Path("results/sweep"), SLOW)
    git("add", "-A")
    git("commit", "-q", "-m", "sweep")
    written(Path("results/sweep"), FAST)
    return repository


def test_several_results_are_listed(diff: Diff, several: Path) -> None:
    said = diff("HEAD")
    short = git("rev-parse", "HEAD")[:7]
    assert said.code == 2
    assert said.err == (
        f"error: HEAD ({short}): holds several results (matrix, sweep): choose with --name\n"
    )


@pytest.mark.parametrize(
    "arguments", [("sweep",), ("--name", "sweep"), ("HEAD", "--name", "sweep")]
)
def test_a_name_chooses_among_them(diff: Diff, several: Path, arguments: Sequence[str]) -> None:
    assert answer(diff(*arguments))[0].startswith("g: users_get: other is faster")


def test_the_only_name_that_both_have_needs_no_choosing(diff: Diff, several: Path) -> None:
    assert answer(diff("v1"))[0].startswith(SLOWER)


def test_a_folder_names_what_is_taken_of_the_revision(diff: Diff, several: Path) -> None:
    assert answer(diff("HEAD", "results/sweep"))[0].startswith("g: users_get: other is faster")


def test_a_name_that_is_not_there_lists_those_that_are(diff: Diff, several: Path) -> None:
    said = diff("HEAD", "--name", "nope")
    assert said.code == 2
    assert "results/nope: no such results; --name can be matrix, sweep\n" in said.err


# Bad input: one clear line, exit 2


def refused(said: Said) -> str:
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    return said.err


def test_an_unknown_revision(diff: Diff, repository: Path) -> None:
    for arguments in (("nope",), ("v1", "nope"), ("HEAD~9",), ("v1..v2",), ("HEAD:results",)):
        line = refused(diff(*arguments))
        assert line.startswith(f"error: {arguments[-1]}: neither a folder nor a revision: ")


def test_an_option_is_no_revision(diff: Diff, repository: Path) -> None:
    assert "--all: neither a folder nor a revision" in refused(diff("--", "--all"))


def test_no_repository(diff: Diff) -> None:
    written(Path("results/matrix"), FAST)
    for arguments in ((), ("HEAD",), ("matrix",)):
        assert "cannot be read as a revision: not a git repository" in refused(diff(*arguments))


def test_a_repository_without_a_commit(diff: Diff) -> None:
    git("init", "-q")
    written(Path("results/matrix"), FAST)
    assert "HEAD: neither a folder nor a revision" in refused(diff())


def test_a_revision_without_results(diff: Diff, repository: Path) -> None:
    git("rm", "-q", "-r", "results")
    git("commit", "-q", "-m", "none")
    line = refused(diff("v1", "HEAD"))
    assert "results/<name>: holds no results: no blocks.csv is there" in line


def test_a_folder_without_results(diff: Diff) -> None:
    Path("x").mkdir()
    written(Path("y"), FAST)
    assert refused(diff("x", "y")) == (
        "error: x/<name>: holds no results: no blocks.csv is there\n"
    )


def test_a_file_instead_of_a_folder(diff: Diff) -> None:
    written(Path("y"), FAST)
    assert "y/blocks.csv: is a file; give the results folder" in refused(diff("y/blocks.csv", "y"))


def test_no_git_at_all(diff: Diff, monkeypatch: pytest.MonkeyPatch) -> None:
    written(Path("results/matrix"), FAST)
    monkeypatch.setenv("PATH", "")
    assert "git: cannot be started: " in refused(diff("HEAD"))


@pytest.mark.parametrize("name", ["env.json", "matrix.toml"])
def test_a_part_that_is_missing(diff: Diff, repository: Path, name: str) -> None:
    git("rm", "-q", f"results/matrix/{name}")
    git("commit", "-q", "-m", "less")
    assert f"results/matrix/{name}: cannot be read: not in that commit" in refused(
        diff("HEAD", "v1")
    )
    assert f"results/matrix/{name}: cannot be read: No such file" in refused(diff("v1"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("env.json", b"{", "env.json: not JSON: "),
        ("env.json", b"[]", "env.json: not an environment of a run"),
        ("matrix.toml", b"run =", "matrix.toml: not TOML: "),
        ("matrix.toml", b"", "matrix.toml: not the matrix of a run: 'stack'"),
        ("matrix.toml", b"stack = 1", "matrix.toml: not the matrix of a run: "),
        ("matrix.toml", b"\xff", "matrix.toml: not UTF-8 text"),
        ("blocks.csv", b"", "blocks.csv: its columns are not those of this version"),
        ("blocks.csv", b"a,b\n1,2\n", "blocks.csv: its columns are not those of this version"),
        ("blocks.csv", b"\xff\xfe", "blocks.csv: not UTF-8 text"),
    ],
)
def test_a_part_that_is_not_as_written(diff: Diff, name: str, content: bytes, said: str) -> None:
    written(Path("x"), FAST)
    (written(Path("y"), SLOW) / name).write_bytes(content)
    assert f"y/{said}" in refused(diff("x", "y"))


def test_results_of_another_version_say_which_columns_differ(diff: Diff) -> None:
    written(Path("x"), FAST)
    blocks = written(Path("y"), SLOW) / "blocks.csv"
    blocks.write_text(blocks.read_text().replace(",rps,", ",speed,", 1))
    assert refused(diff("x", "y")) == (
        "error: y/blocks.csv: its columns are not those of this version of the harness "
        "(without rps; with speed): measure again with this version, or read it with the one "
        "that wrote it\n"
    )


@pytest.mark.parametrize("column", ["options", "parts"])
def test_results_without_a_column_that_came_later_are_read_as_if_it_were_empty(
    diff: Diff, column: str
) -> None:
    written(Path("x"), FAST)
    blocks = written(Path("y"), SLOW) / "blocks.csv"
    before = diff("x", "y", "--json")
    with blocks.open(newline="") as file:
        rows = [*csv.reader(file)]
    at = rows[0].index(column)
    with blocks.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(row[:at] + row[at + 1 :] for row in rows)
    assert diff("x", "y", "--json") == before


def test_a_line_that_is_there_twice_counts_once(diff: Diff) -> None:
    written(Path("x"), FAST)
    blocks = written(Path("y"), SLOW) / "blocks.csv"
    before = answer(diff("x", "y"))
    blocks.write_text(blocks.read_text() + blocks.read_text().splitlines(keepends=True)[-1])
    assert answer(diff("x", "y")) == before


def test_parts_of_a_block_that_were_edited_are_refused(diff: Diff) -> None:
    written(Path("x"), FAST)
    blocks = written(Path("y"), SLOW) / "blocks.csv"
    blocks.write_text(blocks.read_text().replace(",\n", ",fast\n", 1))
    assert refused(diff("x", "y")) == (
        "error: y/blocks.csv: not as it was written: not the parts of a block: not as many digits\n"
    )


def test_a_column_that_is_not_compared_may_be_another_versions(diff: Diff) -> None:
    written(Path("x"), FAST)
    blocks = written(Path("y"), SLOW) / "blocks.csv"
    before = diff("x", "y", "--json")
    blocks.write_text(blocks.read_text().replace(",drift,", ",slope,", 1))
    assert diff("x", "y", "--json") == before


def test_two_formats_at_once(diff: Diff) -> None:
    assert "--json and --markdown: choose one" in refused(diff("--json", "--markdown"))


def test_an_unknown_gate_is_said_before_anything_is_read(diff: Diff) -> None:
    assert "--fail-on colour: expected slower, rss or errors" in refused(
        diff("x", "y", "--fail-on", "colour")
    )


# Damaged lines


def damaged(folder: Path, number: int, line: str) -> None:
    """Put `line` in the place of one of the lines of `blocks.csv`, counted from 1."""
    path = folder / "blocks.csv"
    lines = path.read_text().splitlines(keepends=True)
    lines[number - 1] = line
    path.write_text("".join(lines))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("\n", f"expected {WIDTH} fields, got 1"),
        ("g,users_get\n", f"expected {WIDTH} fields, got 2"),
        ('g,"users_get,\n', f"expected {WIDTH} fields, got 2"),
        ("x" * 200_000 + "\n", f"expected {WIDTH} fields, got 1"),
    ],
)
def test_a_bad_line_is_named_and_the_rest_is_used(diff: Diff, line: str, why: str) -> None:
    written(Path("x"), FAST)
    damaged(written(Path("y"), SLOW), 6, line)
    said = diff("x", "y")
    assert (said.code, said.err) == (0, f"y/blocks.csv: line 6: {why}; it is left out\n")
    assert answer(said)[0].startswith("g: users_get: other is slower")
    assert "4+3" in said.out


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (",1800,", ",fast,", "rps: expected a number, got 'fast'"),
        (",1800,", ",-1800,", "rps: expected a number from 0 to 1e+15, got -1800"),
        (",1800,", ",nan,", "rps: expected a finite number, got 'nan'"),
        (",ok,", ",fine,", "outcome: 'fine' is none of ok, invalid, failed, unsupported"),
    ],
)
def test_an_edited_field_is_named(diff: Diff, before: str, after: str, why: str) -> None:
    written(Path("x"), FAST)
    path = written(Path("y"), SLOW) / "blocks.csv"
    lines = path.read_text().splitlines(keepends=True)
    assert before in lines[5]
    damaged(path.parent, 6, lines[5].replace(before, after, 1))
    assert diff("x", "y").err == f"y/blocks.csv: line 6: {why}; it is left out\n"


def test_an_unfinished_last_line_is_named(diff: Diff) -> None:
    written(Path("x"), FAST)
    path = written(Path("y"), SLOW) / "blocks.csv"
    path.write_text(path.read_text()[:-5])
    said = diff("x", "y")
    assert (said.code, said.err) == (0, "y/blocks.csv: line 9: is unfinished; it is left out\n")


def test_bad_lines_of_a_commit_are_named_too(diff: Diff, repository: Path) -> None:
    damaged(Path("results/matrix"), 2, "gone\n")
    git("commit", "-q", "-a", "-m", "edited")
    said = diff("HEAD", "v1")
    assert f"results/matrix/blocks.csv: line 2: expected {WIDTH} fields, got 1" in said.err


def test_many_bad_lines_are_counted(diff: Diff) -> None:
    many = [1000.0 + number for number in range(40)]
    written(Path("x"), FAST)
    path = written(Path("y"), {"base": many, "other": many}) / "blocks.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:-30], *["gone\n"] * 30]))
    said = diff("x", "y")
    assert len(said.err.splitlines()) == 21
    assert said.err.endswith("and 10 more such lines\n")


def test_nothing_but_bad_lines_is_no_results(diff: Diff) -> None:
    written(Path("x"), FAST)
    path = written(Path("y"), SLOW) / "blocks.csv"
    path.write_text(path.read_text().splitlines(keepends=True)[0] + "gone\n")
    assert "y/blocks.csv: holds no observation; y/blocks.csv: line 2: " in refused(diff("x", "y"))


def test_windows_line_ends_are_read(diff: Diff) -> None:
    written(Path("x"), FAST)
    path = written(Path("y"), SLOW) / "blocks.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    said = diff("x", "y")
    assert (said.code, said.err) == (0, "")
    assert answer(said)[0].startswith(SLOWER)


# How it ends


def test_a_gate_that_is_met_is_exit_code_1_and_names_the_cell(diff: Diff, repository: Path) -> None:
    said = diff("v1", "v2", "--fail-on", "slower:5%", "--fail-on", "errors")
    assert said.code == 1
    assert [line.split(" [")[0] for line in said.err.splitlines()] == [
        "slower: g: users_get: other: req/s -10.0 %",
        "slower: g: users_get: other: app CPU per request +11.1 %",
    ]
    assert said.out == diff("v1", "v2").out


@pytest.mark.parametrize(
    "arguments", [("v2", "v1"), ("v1", "v1"), ("v1", "v2", "--fail-on", "slower:20%")]
)
def test_a_gate_that_is_not_met_is_exit_code_0(
    diff: Diff, repository: Path, arguments: Sequence[str]
) -> None:
    said = diff(*arguments, *([] if "--fail-on" in arguments else ["--fail-on", "slower"]))
    assert (said.code, said.err) == (0, "")


def test_json_is_one_object_and_names_what_failed(diff: Diff, repository: Path) -> None:
    said = diff("v1", "v2", "--json", "--fail-on", "slower")
    assert said.code == 1
    document = json.loads(said.out)
    (rps, cpu) = document["pairs"]
    assert (rps["stack"], rps["metric"], rps["verdict"]) == ("other", "rps", "slower")
    assert rps["ratio"] == pytest.approx(0.9, rel=1e-3)
    assert rps["lo"] < rps["ratio"] < rps["hi"]
    assert cpu["metric"] == "app_cpu_us"
    assert document["failed"] == said.err.splitlines()


@pytest.mark.parametrize("shown", [(), ("--json",), ("--markdown",)])
def test_a_workflow_s_step_has_the_markdown_in_its_summary_however_it_is_shown(
    shown: tuple[str, ...],
    diff: Diff,
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    summary = tmp_path / "summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    diff("v1", "v2", *shown)
    assert summary.read_text() == diff("v1", "v2", "--markdown").out + "\n"


def test_a_summary_that_cannot_be_written_costs_no_more_than_a_line(
    diff: Diff, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "absent" / "summary"))
    done = diff("v1", "v2")
    assert done.code == 0
    assert "summary cannot be written" in done.err


def test_markdown_goes_into_a_comment(diff: Diff, repository: Path) -> None:
    out = diff("v1", "v2", "--markdown").out
    assert "\n| g: users_get, against base | other | 2x ±" in out


def test_stacks_whose_adapter_is_gone_can_still_be_compared(diff: Diff) -> None:
    """An old matrix may name what the code of today does not have."""
    for name, rates in (("x", FAST), ("y", SLOW)):
        folder = written(Path(name), rates)
        for file in ("blocks.csv", "matrix.toml"):
            text = (folder / file).read_text()
            (folder / file).write_text(text.replace("asyncpg_pool", "long.gone"))
    assert answer(diff("x", "y"))[0].startswith(SLOWER)


def test_it_runs_as_documented_and_is_plain_when_nobody_watches(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "diff", "v1", "v2", "--fail-on", "slower"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert SLOWER in done.stdout
    assert done.stderr.startswith("slower: g: users_get: other: ")


def test_on_a_terminal_it_is_the_same_text_in_colour(
    diff: Diff, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = diff("v1", "v2").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    coloured = diff("v1", "v2").out
    assert "\x1b[31mslower\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_a_shipped_matrix_is_compared_by_its_groups_baselines(diff: Diff) -> None:
    stacks = [
        {"name": "base", "adapter": "psycopg_pool"},
        {"name": "other", "adapter": "asyncpg_pool"},
    ]
    groups = [{"name": "g", "endpoint": ["users_get"], "baseline": "other"}]
    for name, rates in (("x", FAST), ("y", SLOW)):
        written(Path(name), rates, matrix=a_matrix(stack=stacks, group=groups))
    assert "base is faster" in diff("x", "y").out


def test_what_a_second_process_reads_makes_the_same_difference(
    repository: Path, diff: Diff, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_one = [diff("v1", "v2"), diff("v1")]
    size = (repository / "results/matrix/blocks.csv").stat().st_size
    monkeypatch.setattr(command, "worth_it", lambda known: known == size)
    copies: list[object] = []

    def counted(work: Callable[[], Any]) -> Callable[[], Any]:
        copies.append(work)
        return beside(work)

    monkeypatch.setattr(command, "beside", counted)
    assert [diff("v1", "v2"), diff("v1")] == by_one
    assert len(copies) == 2
