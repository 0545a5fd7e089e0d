"""The JSON Schema of `matrix.toml`, for editors, made from the dataclasses that read it.

Draft 7, which the editors' TOML extensions know. It cannot say everything: that a baseline is
one of the stacks is found only by reading the matrix.
"""

from typing import Any

import orjson
from pydantic import TypeAdapter

from adapters import registry
from harness.duration import format_duration
from harness.matrix.claims import Claim, Expectation
from harness.matrix.docstrings import below_fields
from harness.matrix.options import AXES
from harness.matrix.sections import (
    Affinity,
    DatabaseSection,
    Document,
    Group,
    Load,
    Run,
    StackSection,
)

DRAFT = "http://json-schema.org/draft-07/schema#"
SECTIONS = (
    Affinity,
    Claim,
    DatabaseSection,
    Expectation,
    Group,
    Load,
    Run,
    StackSection,
)


def to_json() -> str:
    """Return the schema as text, with the options of every adapter in `adapters/`."""
    whole = TypeAdapter(Document).json_schema()
    sections = whole["$defs"]
    for kind in SECTIONS:
        _describe(sections[kind.__name__], kind)
    _describe(whole, Document)
    conditions = []
    for name in registry.shipped():
        options = registry.load(name).Options
        sections[name] = _options(options)
        conditions.append(
            {
                "if": {"properties": {"adapter": {"const": name}}},
                "then": {"properties": {"options": {"$ref": f"#/$defs/{name}"}}},
            }
        )
    sections[StackSection.__name__]["allOf"] = conditions
    schema = {"$schema": DRAFT, **_for_toml(whole)}
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _options(kind: type) -> dict[str, Any]:
    """Return the schema of an adapter's options, without those that a group sweeps."""
    schema = TypeAdapter(kind).json_schema() | {"additionalProperties": False}
    _describe(schema, kind)
    for name in AXES:
        del schema["properties"][name]
    return schema


def _describe(schema: dict[str, Any], kind: type) -> None:
    for name, text in below_fields(kind).items():
        schema["properties"][name]["description"] = text


def _for_toml(schema: Any) -> Any:
    """Return `schema` less what TOML does not have, and with what all lists of a matrix share."""
    if isinstance(schema, list):
        return [_for_toml(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _for_toml(value) for name, value in schema.items() if name != "title"}
    choices = [each for each in found.get("anyOf", []) if each != {"type": "null"}]
    if len(choices) == 1:
        del found["anyOf"]
        found = choices[0] | found
    elif choices:
        found["anyOf"] = choices
    if found.get("default", ...) is None:
        del found["default"]
    if found.get("type") == "array":
        found |= {"minItems": 1, "uniqueItems": "$ref" not in found["items"]}
    if found.get("type") == "string" and isinstance(found.get("default"), float):
        found["default"] = format_duration(found["default"])
    return found
