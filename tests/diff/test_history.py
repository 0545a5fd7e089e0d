"""Ratios over the commits of real git repositories, by the command itself."""

import contextlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from harness import cli
from harness.history.series import Run, Series, series
from tests.diff.runs import cell, simulated, written
from tests.diff.test_sources import Said, git

History = Callable[..., Said]


@pytest.fixture
def history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> History:
    """Return the command, run in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Said:
        code = cli.main(["history", *arguments])
        printed = capsys.readouterr()
        return Said(code, printed.out, printed.err)

    return run


def rates(seed: int, factor: float = 1.0) -> dict[str, list[float]]:
    source = np.random.default_rng(seed)
    return {
        "base": list(source.normal(1000, 3, 5)),
        "other": list(source.normal(2000 * factor, 6, 5)),
    }


def commit(subject: str, measured: dict[str, list[float]] | None = None) -> str:
    if measured is not None:
        written(Path("results/matrix"), measured)
    git("add", "-A")
    git("commit", "-q", "--allow-empty", "-m", subject)
    return git("rev-parse", "HEAD")


@dataclass(frozen=True)
class Committed:
    """A repository, and its commits that measured."""

    folder: Path
    commits: list[str]


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Committed:
    """Make what each test has a copy of: to commit takes longer than most tests of it."""
    made = tmp_path_factory.mktemp("committed")
    with contextlib.chdir(made):
        git("init", "-q", "-b", "trunk")
        found = [commit("first run", rates(1)), commit("another run", rates(2))]
        commit("nothing measured")
        found += [commit("bump the driver", rates(3, 0.9)), commit("once more", rates(4, 0.9))]
    return Committed(made, found)


@pytest.fixture
def commits(committed: Committed, history: History) -> list[str]:
    """Return the commits of a repository in whose third run `other` is 10 % slower."""
    shutil.copytree(committed.folder, Path.cwd(), dirs_exist_ok=True)
    return committed.commits


def test_every_commit_that_measured_is_a_row_and_the_step_is_named(
    history: History, commits: Sequence[str]
) -> None:
    said = history("g/users_get/other")
    assert (said.code, said.err) == (0, "")
    answer, _, table = said.out.partition("\n\n")
    assert answer.startswith("g: users_get: other: slower: ")
    assert answer.endswith(f" at {commits[2][:7]}, bump the driver")
    title, headings, *rows = table.splitlines()
    assert title == "g: users_get: other, req/s against base"
    assert " ".join(headings.split()) == "commit date subject blocks ratio, 95 % interval step"
    assert [row.split()[0] for row in rows] == [each[:7] for each in commits]
    assert ["slower" in row for row in rows] == [False, False, True, False]
    assert "nothing measured" not in table


def test_the_same_as_json(history: History, commits: Sequence[str]) -> None:
    document = json.loads(history("*other", "--json").out)
    (found,) = document["cells"]
    assert (document["name"], document["left_out"]) == ("matrix", [])
    assert (found["stack"], found["concurrency"], found["metric"]) == ("other", 16, "rps")
    assert [each["commit"] for each in found["commits"]] == list(commits)
    assert [each["step"] for each in found["commits"]] == [None, None, "other", None]
    assert found["commits"][0]["change"] is None
    assert found["commits"][0]["ratio"]["blocks"] == 5
    assert found["commits"][2]["change"]["ratio"] == pytest.approx(0.9, abs=0.01)


def test_the_picture_has_every_commit_and_says_the_step(
    history: History, commits: Sequence[str]
) -> None:
    assert history("*/other", "--plot", "a.svg").code == 0
    assert history("*/other", "--plot", "b.svg").code == 0
    drawn = Path("a.svg").read_text()
    assert drawn == Path("b.svg").read_text()
    ElementTree.fromstring(drawn)
    assert all(each[:7] in drawn for each in commits)
    assert "slower: -" in drawn
    assert "nan" not in drawn.lower()


def test_a_picture_that_cannot_be_written_is_one_line(
    history: History, commits: Sequence[str]
) -> None:
    said = history("*/other", "--plot", "no/such/a.svg")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: no/such/a.svg: cannot be written: No such file")


@pytest.mark.parametrize("pattern", ["*", "g/*", "*concurrency=16*", "g/users_get/[ob]*"])
def test_a_glob_meets_names_with_and_without_axes(
    history: History, commits: Sequence[str], pattern: str
) -> None:
    document = json.loads(history(pattern, "--json").out)
    assert {each["stack"] for each in document["cells"]} == {"base", "other"}


def test_a_run_that_was_resumed_is_one_run(history: History, commits: Sequence[str]) -> None:
    more = rates(4, 0.9)
    resumed = commit("some more blocks", {name: [*each, each[0]] for name, each in more.items()})
    said = history("*/other", "--json")
    document = json.loads(said.out)
    shown = [each["commit"] for each in document["cells"][0]["commits"]]
    assert shown == [*commits[:3], resumed]
    assert said.err == (
        f"{commits[3][:7]}: its run goes on in the next commit, and is shown there\n"
    )


def test_a_commit_that_cannot_be_read_is_left_out_and_named(
    history: History, commits: Sequence[str]
) -> None:
    Path("results/matrix/blocks.csv").write_text("group,rps\n")
    bad = commit("columns of another version")[:7]
    said = history("*/other")
    assert said.code == 0
    assert said.err.startswith(f"{bad}: results/matrix/blocks.csv: its columns are not those")
    assert said.err.endswith("this commit is left out\n")


def test_several_results_need_a_name(history: History, commits: Sequence[str]) -> None:
    written(Path("results/second"), rates(5))
    commit("a second matrix")
    said = history("*")
    assert said.code == 2
    assert said.err == "error: HEAD: holds several results (matrix, second): choose with --name\n"
    assert "No step in 1 commit." in history("*", "--name", "second").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody"], "error: nobody: matches no cell; there are g/users_get/base, "),
        (["*", "--name", "no"], "error: HEAD: results/no: no such results; --name can be matrix"),
        ([], "error: Missing argument 'CELL_GLOB'."),
    ],
)
def test_what_is_not_there_is_one_line(
    history: History, commits: Sequence[str], arguments: list[str], said: str
) -> None:
    found = history(*arguments)
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith(said)
    assert found.err.count("\n") == 1


def test_a_folder_without_git_is_one_line(history: History) -> None:
    found = history("*")
    assert found.code == 2
    assert found.err.startswith("error: HEAD: cannot be read as a revision: not a git repository")


# Steps


def runs(*factors: float, stack: str = "one") -> list[Run]:
    """Return runs in which `stack` is so many times as fast as it is."""
    changed = [{(stack, "users_get"): factor} for factor in factors]
    return [
        Run(f"c{number}", "2026-01-01", f"commit {number}", simulated(number, each))
        for number, each in enumerate(changed)
    ]


def steps(found: Series) -> list[tuple[str, str, str]]:
    return [
        (point.run.commit, point.stepped.key.stack, point.stepped.verdict)
        for point in found.points
        if point.stepped is not None
    ]


def test_up_and_down_are_two_steps() -> None:
    (found,) = series(runs(1, 1, 1.1, 1.1, 1, 1), [cell("one")])
    assert steps(found) == [("c2", "one", "faster"), ("c4", "one", "slower")]


def test_a_baseline_that_moved_is_what_is_named() -> None:
    (found,) = series(runs(1, 0.85, stack="base"), [cell("two")])
    assert steps(found) == [("c1", "base", "slower")]


def test_forty_runs_of_the_same_have_no_step() -> None:
    keys = [cell(stack) for stack in ("one", "two", "three")]
    found = series(runs(*[1.0] * 40), keys)
    assert [steps(each) for each in found] == [[], [], []]


def test_a_cell_that_was_away_is_compared_with_when_it_was_there_last() -> None:
    before, away, after = runs(1, 1, 1.1)
    cells = {key: each for key, each in away.side.cells.items() if key.stack != "one"}
    object.__setattr__(away.side, "cells", cells)
    (found,) = series([before, away, after], [cell("one")])
    assert [point.run.commit for point in found.points] == ["c0", "c2"]
    assert steps(found) == [("c2", "one", "faster")]
