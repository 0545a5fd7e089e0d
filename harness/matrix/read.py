"""`matrix.toml` -> `Matrix`: every mistake in it is found here, and said with its key path."""

import difflib
import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from adapters import registry
from harness import ceilings
from harness.duration import format_duration
from harness.errors import BadInput
from harness.matrix import claims
from harness.matrix.claims import Claim, Expectation
from harness.matrix.matrix import Matrix
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
from harness.model import Stack

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
"""A key that TOML lets stand without quotes."""

MIN_SLICE_S = 0.05
"""Below this, starting and draining 16 connections is a visible part of a slice."""

INT64 = range(-(2**63), 2**63)
"""The integers of TOML."""

DEEPEST = 8
"""No key of a matrix lies deeper, those of an option's own tables included."""

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

DOCUMENT = TypeAdapter(Document)
"""Made once: that takes longer than all the checking."""

SLO_CONCURRENCY = 256
"""The most connections to try for an SLO unless the group says it: more than keep any pool
busy, and few enough for every server and every limit on open files."""

SWEPT = ("pool_size",)
"""Options that come from a group's axis; given by hand they would say it twice."""


def read(path: Path) -> Matrix:
    """Read and check the matrix at `path`. Raises `BadInput` with the file or key at fault."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadInput(f"{path}: not UTF-8 text; a matrix is a TOML file") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also an integer of thousands of digits
        raise BadInput(f"{path}: not valid TOML: {error}") from None
    return parse(document, name=path.stem)


def parse(document: Mapping[str, Any], name: str) -> Matrix:
    """Check a parsed TOML document. Raises `BadInput` with the path of the first key at fault."""
    _check_values(document, ())
    try:
        # By way of JSON: in pydantic's strict mode a table is a dataclass only in JSON.
        checked = DOCUMENT.validate_json(orjson.dumps(document))
    except ValidationError as error:
        raise BadInput(_said(_worst(error))) from None
    _check_run(checked.run)
    _check_database(checked.database)
    stacks = _stacks(checked.stack)
    _check_groups(checked, stacks)
    run_name = checked.run.name or name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", run_name):
        raise BadInput(
            f"run.name: results cannot go into a folder called {run_name!r}; "
            "give a name of letters, digits and . _ + -"
        )
    groups = tuple(map(_with_bound, checked.group, document["group"]))
    claims.check(checked.claim, stacks, [each.name for each in groups])
    return Matrix(run_name, checked.run, checked.database, stacks, groups, tuple(checked.claim))


def _check_values(value: object, loc: tuple[int | str, ...]) -> None:
    """Refuse what TOML can say and JSON cannot, which would arrive as something else."""
    wrong = None
    if isinstance(value, Mapping | list):
        if len(loc) > DEEPEST:
            wrong = "nothing in a matrix lies this deep"
        parts = value.items() if isinstance(value, Mapping) else enumerate(value)
        for part, inner in parts if wrong is None else ():
            _check_values(inner, (*loc, part))
    elif isinstance(value, float) and not math.isfinite(value):
        wrong = f"expected a finite number, got {value}"
    elif isinstance(value, int) and value not in INT64:
        wrong = f"expected an integer of 64 bits, got {show(value)}"
    elif not isinstance(value, str | int | float):
        wrong = f"expected no date or time, got {value}"
    if wrong is not None:
        raise BadInput(f"{_path(loc)}: {wrong}")


def _check_run(run: Run) -> None:
    if run.max_blocks < run.min_blocks:
        raise BadInput(
            f"run.max_blocks: expected at least run.min_blocks ({run.min_blocks}), "
            f"got {run.max_blocks}"
        )
    if run.slice < MIN_SLICE_S:
        raise BadInput(
            f'run.slice: expected "{format_duration(MIN_SLICE_S)}" or more, '
            f'got "{format_duration(run.slice)}"'
        )
    if run.measure < run.slice:
        raise BadInput(
            f'run.measure: expected at least one run.slice ("{format_duration(run.slice)}"), '
            f'got "{format_duration(run.measure)}"'
        )


def _check_database(database: DatabaseSection) -> None:
    """Check what the plan needs: it counts connections before a server could refuse."""
    wanted = str(database.settings.get("max_connections", 1))
    if not re.fullmatch(r"0*[1-9]\d{0,5}", wanted, re.ASCII):
        raise BadInput(
            "database.settings.max_connections: expected a positive integer, "
            f"got {show(database.settings['max_connections'])}"
        )


def _stacks(sections: Sequence[StackSection]) -> dict[str, Stack]:
    if not sections:
        raise BadInput("stack: expected at least one [[stack]]")
    stacks: dict[str, Stack] = {}
    for index, section in enumerate(sections):
        if section.name in stacks:
            raise BadInput(f"stack[{index}].name: a second stack is called {section.name!r}")
        if section.name in ceilings.NAMES:
            raise BadInput(
                f"stack[{index}].name: {section.name!r} is what a ceiling beside the stacks is "
                "called; choose another name"
            )
        stacks[section.name] = _stack(section, f"stack[{index}]")
    return stacks


def _stack(section: StackSection, path: str) -> Stack:
    try:
        module = registry.load(section.adapter)
    except registry.AdapterError as error:
        raise BadInput(f"{path}.adapter: {error}") from None
    for name in SWEPT:
        if name in section.options:
            raise BadInput(f"{path}.options.{name}: comes from the group's {name} axis")
    known = {each.name for each in fields(module.Options)}
    for name in section.options:
        if name not in known:
            raise BadInput(f"{path}.options.{name}: {_unknown(name, known - set(SWEPT))}")
    given = dict(registry.lane(module, section.lane)) | section.options
    try:
        checked = TypeAdapter(module.Options).validate_json(orjson.dumps(given), strict=True)
    except ValidationError as error:
        raise BadInput(f"{path}.options.{_said(_worst(error))}") from None
    options = {each.name: getattr(checked, each.name) for each in fields(checked)}
    return Stack(section.name, section.adapter, section.lane, options)


def _check_groups(document: Document, stacks: Mapping[str, Stack]) -> None:
    if not document.group:
        raise BadInput("group: expected at least one [[group]]")
    baseline = document.run.baseline
    if baseline is not None and baseline not in stacks:
        raise BadInput(f"run.baseline: {_unknown(baseline, stacks, 'stack')}")
    seen: set[str] = set()
    for index, group in enumerate(document.group):
        path = f"group[{index}]"
        if group.name in seen:
            raise BadInput(f"{path}.name: a second group is called {group.name!r}")
        seen.add(group.name)
        _check_group(group, path, stacks)


def _check_group(group: Group, path: str, stacks: Mapping[str, Stack]) -> None:
    for index, name in enumerate(group.stacks or ()):
        if name not in stacks:
            raise BadInput(f"{path}.stacks[{index}]: {_unknown(name, stacks, 'stack')}")
    members = [stacks[name] for name in (group.stacks or stacks)]
    if group.baseline is not None and group.baseline not in {stack.name for stack in members}:
        raise BadInput(
            f"{path}.baseline: {_unknown(group.baseline, [s.name for s in members], 'stack')}"
        )
    if len({stack.lane for stack in members}) > 1 and not group.mixed_lanes:
        raise BadInput(
            f"{path}.stacks: holds stacks of both lanes, which do different work; "
            "name those of one lane, or set mixed_lanes = true"
        )
    if group.slo is not None:
        _check_slo(group, path)
    if group.limit is not None and not {"users_list", "books_list"} & set(group.endpoint):
        raise BadInput(f"{path}.limit: none of the group's endpoints returns a list")


def _check_slo(group: Group, path: str) -> None:
    if group.rate is not None:
        raise BadInput(
            f"{path}.slo: the capacity under an SLO is searched in a closed loop, which has no "
            "rate; give one of the two, or make two groups"
        )
    if len(group.concurrency) > 1:
        raise BadInput(
            f"{path}.concurrency: expected one number, the most connections to try, as slo is "
            f"given; got {show(group.concurrency)}"
        )


def _with_bound(group: Group, given: Mapping[str, Any]) -> Group:
    """Give a group whose capacity is searched room to search, unless it says how much."""
    if group.slo is None or "concurrency" in given:
        return group
    return replace(group, concurrency=[SLO_CONCURRENCY])


def _said(error: Any) -> str:
    """Return one pydantic error as `key[0].path: what is wrong with it`."""
    path = _path(error["loc"])
    kind = error["type"]
    if kind in UNKNOWN:
        known = _known_keys(error["loc"][:-1])
        return f"{path}: {_unknown(str(error['loc'][-1]), known, 'key')}"
    if kind == "missing":
        return f"{path}: is required"
    if kind == "expected":
        return f"{path}: {error['msg']}"
    if path in ("stack", "group"):
        return (
            f"{path}: expected tables that each begin with [[{path}]], got {show(error['input'])}"
        )
    said = WORDS.get(kind) or str(error["msg"]).removeprefix("Input should be ")
    return f"{path}: expected {said}, got {show(error['input'])}"


def _worst(error: ValidationError) -> Any:
    """Return the mistake to name first: a misspelt key is often the cause of the others."""
    return min(error.errors(), key=lambda each: each["type"] not in UNKNOWN)


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


def _path(loc: Iterable[int | str]) -> str:
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += "." * bool(path) + (part if BARE_KEY.fullmatch(part) else show(part))
    return path or "matrix"


def _unknown(name: str, known: Iterable[str], what: str = "option") -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what} {name!r}; {hint}known: {', '.join(names) or 'none'}"
