"""What `ab` refuses, and what it says that it would do: nothing is started for either."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tomli_w

from harness.ab import trees
from harness.cli import main
from tests.ab.repository import commit, git, repository
from tests.factories import a_document

Said = tuple[int, str, str]
Ab = Callable[..., Said]


@pytest.fixture
def ab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ab:
    """Return the command, run beside a matrix, of a harness that runs from that folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trees, "REPOSITORY", tmp_path)
    Path("matrix.toml").write_text(tomli_w.dumps(a_document()))

    def run(*arguments: str) -> Said:
        code = main(["ab", *arguments])
        return code, *capsys.readouterr()

    return run


def complaint(said: Said) -> str:
    code, out, err = said
    (line,) = (each for each in err.splitlines() if each.startswith("error: "))
    assert (code, out) == (2, "")
    assert not Path("results").exists() or not list(Path("results").iterdir())
    return line


@pytest.fixture
def repo(ab: Ab, tmp_path: Path) -> Path:
    return repository(tmp_path)


def test_a_plan_names_both_sides_of_every_stack(ab: Ab, repo: Path) -> None:
    git(repo, "tag", "v1")
    code, out, err = ab("v1", ".", "--plan")
    assert code == 0
    assert out.startswith("base: users_get: base@v1, base@working-tree; 20 connections of ")
    assert "\nother: users_get: other@v1, other@working-tree; " in out
    first = git(repo, "rev-parse", "HEAD")[:7]
    assert err == f"v1: {first}\nworking-tree: {first} and what has been changed since\n"


def test_only_chooses_among_the_stacks_of_the_matrix(ab: Ab, repo: Path) -> None:
    _, out, _ = ab("HEAD", ".", "--plan", "--only", "other")
    assert out.splitlines()[0].startswith("users_get: other@HEAD, other@working-tree; ")


def test_packages_need_no_repository(ab: Ab, tmp_path: Path) -> None:
    code, out, err = ab("--with", "asyncpg==0.31.0", "--with", "asyncpg==0.32.0", "--plan")
    assert code == 0
    assert "other@asyncpg==0.31.0, other@asyncpg==0.32.0" in out
    assert err.startswith("asyncpg==0.31.0: this tree with asyncpg==0.31.0\n")


def test_no_repository(ab: Ab) -> None:
    said = complaint(ab("HEAD~1", "HEAD"))
    assert said.startswith("error: HEAD~1: the harness runs from no repository (not a git")


@pytest.mark.parametrize("revision", ["nope", "HEAD~9", "--all", "HEAD:harness"])
def test_an_unknown_revision(ab: Ab, repo: Path, revision: str) -> None:
    said = complaint(ab("HEAD", "--", revision))
    assert said.startswith(f"error: {revision}: no such revision")


def test_a_revision_without_what_is_served(ab: Ab, repo: Path) -> None:
    git(repo, "rm", "-q", "-r", "adapters")
    commit(repo, "nothing to measure")
    said = complaint(ab("HEAD~1", "HEAD"))
    assert said == "error: HEAD: holds no adapters/registry.py: nothing can be served from it"


def test_a_side_that_lacks_an_adapter_of_the_matrix(ab: Ab, repo: Path) -> None:
    git(repo, "rm", "-q", "adapters/asyncpg_pool.py")
    commit(repo, "one less")
    said = complaint(ab("HEAD~1", "HEAD"))
    assert said.startswith("error: HEAD: stack other: unknown adapter 'asyncpg_pool'; available: ")


def test_a_side_that_lacks_an_option_of_the_matrix(ab: Ab, repo: Path) -> None:
    adapter = repo / "adapters" / "asyncpg_pool.py"
    adapter.write_text(adapter.read_text().replace("reset:", "renewed:"))
    stack = {"name": "a", "adapter": "asyncpg_pool", "options": {"reset": False}}
    Path("matrix.toml").write_text(tomli_w.dumps(a_document(stack=[stack])))
    said = complaint(ab("HEAD", "."))
    assert said == (
        "error: working-tree: stack a: adapter 'asyncpg_pool' has no option 'reset' there"
    )


def test_what_ab_has_written_cannot_be_measured_again(ab: Ab, repo: Path) -> None:
    stack = {"name": "a", "adapter": "asyncpg_pool", "side": "HEAD~1"}
    Path("matrix.toml").write_text(tomli_w.dumps(a_document(stack=[stack])))
    said = complaint(ab("HEAD", "."))
    assert said.startswith("error: matrix.toml: a@HEAD~1 was served from another tree")
