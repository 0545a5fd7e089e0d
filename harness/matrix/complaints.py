"""What is wrong with a matrix, in a line with the key's path: pydantic's errors in TOML's words."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness.matrix.claims import Claim, Expectation
from harness.matrix.sections import (
    Affinity,
    DatabaseSection,
    Document,
    Group,
    Load,
    Run,
    StackSection,
)
from harness.matrix.values import show

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
"""A key that TOML lets stand without quotes."""

WORDS = {
    "bool_type": "true or false",
    "dataclass_type": "a table",
    "dict_type": "a table",
    "float_type": "a number",
    "int_type": "an integer",
    "list_type": "a list",
    "string_type": "text in quotes",
}
"""pydantic's words are of Python and JSON; these are of TOML."""

UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")
"""What pydantic calls a key that is not there."""


def said(error: Any) -> str:
    """Return one pydantic error as `key[0].path: what is wrong with it`."""
    where = path(error["loc"])
    kind = error["type"]
    if kind in UNKNOWN:
        known = _known_keys(error["loc"][:-1])
        return f"{where}: {unknown(str(error['loc'][-1]), known, 'key')}"
    if kind == "missing":
        return f"{where}: is required"
    if kind == "expected":
        return f"{where}: {error['msg']}"
    if where in ("stack", "group"):
        return (
            f"{where}: expected tables that each begin with [[{where}]], got {show(error['input'])}"
        )
    return f"{where}: {unlike(error)}"


def unlike(error: Any) -> str:
    """Return what a pydantic error expected of a value, and what it got."""
    expected = WORDS.get(error["type"]) or str(error["msg"]).removeprefix("Input should be ")
    return f"expected {expected}, got {show(error['input'])}"


def worst(error: ValidationError) -> Any:
    """Return the mistake to name first: a misspelt key is often the cause of the others."""
    return min(error.errors(), key=lambda each: each["type"] not in UNKNOWN)


def path(loc: Iterable[int | str]) -> str:
    """Return where a value stands, as `group[1].rate[0]`."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += "." * bool(text) + (part if BARE_KEY.fullmatch(part) else show(part))
    return text or "matrix"


def unknown(name: str, known: Iterable[str], what: str = "option") -> str:
    """Say that `name` is none of the `known`, and which of them may be meant."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what} {name!r}; {hint}known: {', '.join(names) or 'none'}"


def _known_keys(loc: Iterable[int | str]) -> list[str]:
    sections: dict[tuple[str, ...], Any] = {
        (): Document,
        ("run",): Run,
        ("run", "affinity"): Affinity,
        ("run", "load"): Load,
        ("database",): DatabaseSection,
        ("stack",): StackSection,
        ("group",): Group,
        ("claim",): Claim,
        ("claim", "expect"): Expectation,
    }
    section = sections.get(tuple(str(part) for part in loc if not isinstance(part, int)))
    if section is None:
        return []
    schema = TypeAdapter(section).json_schema()
    return list(schema.get("properties", {}))
