"""The files under docker/ agree with the matrix, with each other, and with what they promise."""

import re
import tomllib
from pathlib import Path

import pytest

from harness import affinity
from harness.matrix import Run

TOP = Path(__file__).parents[2]
COMPOSE = (TOP / "docker/compose.yaml").read_text()
STAGES = (TOP / "docker/Dockerfile").read_text().split("\nFROM ")[1:]


def cpus(text: str) -> frozenset[int]:
    """Read a CPU list as Docker writes it (`0-3`, `0,1`) or as a sentence does (`4 to 7`)."""
    found: set[int] = set()
    for part in text.strip("` ").replace(" to ", "-").split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return frozenset(found)


def readme_rows() -> list[list[str]]:
    text = (TOP / "docker/README.md").read_text()
    rows = re.findall(r"^\| (\d.*) \|$", text, re.MULTILINE)
    return [row.split(" | ") for row in rows]


@pytest.mark.parametrize("row", readme_rows(), ids=lambda row: f"{row[0]} CPUs")
def test_the_readme_says_where_the_harness_would_put_each_part(row: list[str]) -> None:
    count, harness, database, app, load, on = row
    places = affinity.places(Run(), cpus(harness))
    assert (places.app, places.load) == (cpus(app), cpus(load))
    assert cpus(database) == cpus(on)
    assert max(cpus(harness) | cpus(database)) < int(count.split()[0])


@pytest.mark.parametrize("row", readme_rows(), ids=lambda row: f"{row[0]} CPUs")
def test_the_app_shares_its_cpus_with_nobody(row: list[str]) -> None:
    _, _, _, app, load, database = row
    assert not cpus(app) & (cpus(load) | cpus(database))


def test_by_default_the_three_parts_are_apart() -> None:
    default = next(row for row in readme_rows() if "default" in row[0])
    assert f"${{HARNESS_CPUS:-{default[1].strip('`')}}}" in COMPOSE
    assert f"${{DATABASE_CPUS:-{default[2].strip('`')}}}" in COMPOSE
    assert not cpus(default[1]) & cpus(default[2])


def test_the_service_has_the_settings_of_the_matrix() -> None:
    matrix = tomllib.loads((TOP / "matrix.toml").read_text())
    given = dict(re.findall(r'"-c", "(\w+)=(\w+)"', COMPOSE))
    assert given == {key: str(value) for key, value in matrix["database"]["settings"].items()}


def test_no_password_is_in_an_argument() -> None:
    dsns = re.findall(r"postgresql://[^\"\s]+", COMPOSE)
    assert dsns
    assert not any(":" in dsn.removeprefix("postgresql://").partition("@")[0] for dsn in dsns)


def test_the_image_does_not_run_as_root() -> None:
    users = re.findall(r"^USER (\d+):(\d+)$", STAGES[-1], re.MULTILINE)
    assert users
    assert "0" not in users[-1]


def test_the_image_is_built_in_a_stage_that_is_left_behind() -> None:
    assert len(STAGES) == 2
    assert "pip" in STAGES[0]
    assert not re.search(r"\b(pip|apt-get|gcc)\b", STAGES[-1])


def test_the_image_has_what_it_copies_and_nothing_more_is_sent() -> None:
    copied: set[str] = set()
    for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", "\n".join(STAGES), re.MULTILINE):
        copied |= set(sources.split())
    ignore = (TOP / ".dockerignore").read_text().splitlines()
    sent = {line.strip("!/") for line in ignore if line.startswith("!")}
    assert "*" in ignore
    assert copied == sent
    assert all((TOP / name).exists() for name in copied)
