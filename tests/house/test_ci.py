"""CI runs what the README says, on the Pythons that are promised, and may only read."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
WORKFLOW = (TOP / ".github/workflows/ci.yml").read_text()
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
    actions = re.findall(r"uses: (\S+)", WORKFLOW)
    assert actions
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in actions)


def test_the_image_is_built_on_a_python_that_is_supported() -> None:
    (version,) = re.findall(r"^ARG PYTHON=(\S+)$", (TOP / "docker/Dockerfile").read_text(), re.M)
    assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]
