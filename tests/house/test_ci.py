"""CI runs what the README says, on the Pythons that are promised, and may only read."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
WORKFLOWS = {path.name: path.read_text() for path in (TOP / ".github/workflows").glob("*.yml")}
WORKFLOW = WORKFLOWS["ci.yml"]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("script", ["run", "lint-packaging"])
def test_a_script_is_sound_bash(script: str) -> None:
    subprocess.run(["bash", "-n", TOP / ".ci" / script], check=True, timeout=10)


def test_the_workflow_runs_the_oldest_and_the_newest_python_supported() -> None:
    classifiers = "\n".join(PROJECT["classifiers"])
    versions = re.findall(r"Python :: (3\.\d+)", classifiers)
    ordered = sorted(versions, key=lambda version: int(version.split(".")[1]))
    assert f'python: ["{ordered[0]}", "{ordered[-1]}"]' in WORKFLOW


def test_the_workflow_may_only_read() -> None:
    assert "permissions:\n  contents: read\n" in WORKFLOW
    assert "write" not in WORKFLOW


def test_every_action_has_its_major_version() -> None:
    actions = [each for text in WORKFLOWS.values() for each in re.findall(r"uses: (\S+)", text)]
    assert actions
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in actions)


def permissions(text: str) -> set[str]:
    """Return the lines of all `permissions:` in a workflow."""
    found = re.findall(r"^( *)permissions:(.*)\n((?:\1  .+\n)*)", text, re.M)
    lines = [line for _, inline, block in found for line in (inline, *block.splitlines())]
    return {line.partition("#")[0].strip() for line in lines} - {"", "{}"}


def test_what_runs_the_code_of_a_pull_request_may_only_read() -> None:
    text = WORKFLOWS["benchmark.yml"]
    assert permissions(text) == {"contents: read"}
    assert "persist-credentials: false" in text
    assert not re.search(r"pull_request_target|secrets\.|github\.token", text)


def test_what_may_comment_runs_nothing_of_a_pull_request() -> None:
    text = WORKFLOWS["benchmark-comment.yml"]
    assert permissions(text) == {"actions: read", "pull-requests: write"}
    assert "uses:" not in text
    steps = text.partition("steps:")[2]
    assert "${{" not in steps  # what an event says is data: it reaches a shell as a variable


def test_the_comment_follows_the_workflow_that_measures() -> None:
    (name,) = re.findall(r"^name: (.+)$", WORKFLOWS["benchmark.yml"], re.M)
    assert f"workflows: [{name}]" in WORKFLOWS["benchmark-comment.yml"]


def test_the_image_is_built_on_a_python_that_is_supported() -> None:
    (version,) = re.findall(r"^ARG PYTHON=(\S+)$", (TOP / "docker/Dockerfile").read_text(), re.M)
    assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]
