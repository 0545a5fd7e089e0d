"""The JSON Schema that editors read: current, complete, and of one mind with the harness."""

import json
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import harness
from harness.cli import main
from harness.errors import BadInput
from harness.matrix import parse, schema

PACKAGE = Path(harness.__file__).parent
COMMITTED = PACKAGE / "matrix" / "schema.json"
SHIPPED = [PACKAGE.parent / "matrix.toml", *sorted((PACKAGE / "scenarios").glob("*.toml"))]
SCHEMA = json.loads(COMMITTED.read_text())


def refused(document: dict[str, Any]) -> bool:
    return not jsonschema.Draft7Validator(SCHEMA).is_valid(document)


def test_the_committed_schema_is_the_generated_one() -> None:
    again = "python -m harness schema > harness/matrix/schema.json"
    assert COMMITTED.read_text() == schema.to_json(), f"make it again: {again}"


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == COMMITTED.read_text()


def test_it_is_a_schema_itself() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def properties(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in node.items() if isinstance(node, dict) else ():
        if name == "properties" and path.count("/if") == 0 and path.count("/then") == 0:
            yield from ((f"{path}/{key}", value) for key, value in inner.items())
        yield from properties(inner, f"{path}/{name}")


def test_every_key_is_described() -> None:
    found = dict(properties(SCHEMA))
    assert len(found) > 40
    assert [name for name, node in found.items() if not node.get("description")] == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_matrix_that_is_shipped_names_it_and_is_accepted(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    directive, _, named = text.splitlines()[0].partition(" ")
    assert directive == "#:schema"
    assert (path.parent / named).resolve() == COMMITTED
    assert not refused(tomllib.loads(text))


GOOD: dict[str, Any] = {
    "run": {
        "budget": "5m",
        "affinity": {"app": [0], "load": [1], "database": [1]},
        "load": {"processes": 2},
    },
    "database": {"settings": {"jit": "off", "max_connections": 50}},
    "stack": [{"name": "a", "adapter": "asyncpg_pool", "options": {"reset": False}}],
    "group": [{"name": "g", "endpoint": ["users_get"], "rate": [50, 0.5]}],
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("run.buget", "5m"),
        ("run.budget", 300),
        ("run.budget", "5 minutes"),
        ("run.precision", 1.5),
        ("run.min_blocks", 0),
        ("run.seed", -1),
        ("run.ceilings", "yes"),
        ("run.schedule", "parallel"),
        ("run.affinity", "on"),
        ("run.affinity.app", []),
        ("run.load.processes", 0),
        ("database.users", 0),
        ("database.settings.jit", ["off"]),
        ("stack", []),
        ("stack.0.lane", "fast"),
        ("stack.0.adapter", "adapters/mine.py"),
        ("stack.0.options.resett", True),
        ("stack.0.options.reset", "no"),
        ("stack.0.options.pool_size", 5),
        ("group.0.name", "a b"),
        ("group.0.endpoint", "users_get"),
        ("group.0.endpoint", ["users"]),
        ("group.0.concurrency", [16, 16]),
        ("group.0.concurrency", [0]),
        ("group.0.rate", ["100"]),
        ("group.0.slo", "p98 < 50ms"),
        ("groups", []),
    ],
)
def test_a_mistake_that_the_harness_refuses_is_one_to_an_editor_too(key: str, value: Any) -> None:
    document = deepcopy(GOOD)
    assert not refused(document)
    parse(document, "m")
    *path, last = [int(part) if part.isdigit() else part for part in key.split(".")]
    place: Any = document
    for part in path:
        place = place[part]
    place[last] = value
    assert refused(document)
    with pytest.raises(BadInput):
        parse(document, "m")


def test_an_adapter_of_ones_own_may_have_any_options() -> None:
    stack = {"name": "mine", "adapter": "my.adapter", "options": {"anything": [1, {"a": 2}]}}
    assert not refused(GOOD | {"stack": [stack]})
