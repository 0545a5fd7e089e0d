"""What a command line offers: help with examples, and completion."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import COMMANDS, command, main

MATRIX = """
stack = [{ name = "fast-one", adapter = "asyncpg_pool" }, { name = "slow", adapter = "x" }]
group = [{ name = "first", endpoint = ["users_get"] }]
"""


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_its_options_and_ends_with_examples(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == 0
    said = capsys.readouterr().out
    examples = [line for line in said.splitlines() if line.startswith("  python -m harness ")]
    assert examples
    assert "\\b" not in said
    for option in command(name).params:
        assert option.param_type_name == "argument" or getattr(option, "help", None), option.name


def test_help_of_all_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n  {name} " in said for name in COMMANDS)


def test_help_imports_nothing_that_takes_long() -> None:
    slow = {"numpy", "scipy", "pydantic", "psycopg", "sqlalchemy", "matplotlib", "rich"}
    asked = "import sys; from harness.cli import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True, text=True)
    assert not slow & set(done.stdout.split())


@pytest.fixture
def completed(tmp_path: Path) -> Callable[..., list[str]]:
    """Return a function that asks what bash would offer after some words, in a folder of ours."""
    (tmp_path / "matrix.toml").write_text(MATRIX)
    for name in ("one", "two"):
        (tmp_path / "results" / name).mkdir(parents=True)
        (tmp_path / "results" / name / "blocks.csv").touch()

    def ask(*words: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", "harness"],
            cwd=tmp_path,
            env=os.environ
            | {
                "_HARNESS_COMPLETE": "bash_complete",
                "COMP_WORDS": " ".join(["harness", *words]),
                "COMP_CWORD": str(len(words)),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()

    return ask


def test_a_shell_completes_commands_options_stacks_and_folders(
    completed: Callable[..., list[str]],
) -> None:
    assert {"plain,diff", "plain,schema", "file,"} <= set(completed(""))
    assert completed("mat") == ["file,mat"]
    assert "plain,--quick" in completed("--q")
    assert completed("serve", "fa") == ["plain,fast-one"]
    assert completed("matrix.toml", "--only", "f") == ["plain,first", "plain,fast-one"]
    assert completed("report", "results/t") == ["plain,results/two"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_the_script_for_bash_is_bash() -> None:
    script = subprocess.run(
        [sys.executable, "-m", "harness"],
        env=os.environ | {"_HARNESS_COMPLETE": "bash_source"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    said = subprocess.run(
        ["bash", "-c", script + "complete -p harness"], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip().endswith(" harness")
