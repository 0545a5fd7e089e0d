"""`matrix.toml` -> `Matrix`: every mistake in it is found here, with its key path.

The dataclasses are the format: their field names are the keys, their types the
checks, and the JSON Schema for editors is made from them.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from adapters import registry
from harness.duration import parse_duration
from harness.errors import BadInput
from harness.model import Endpoint, Lane, Stack

STRICT = ConfigDict(extra="forbid", strict=True, populate_by_name=False)

MIN_SLICE_S = 0.05
"""Below this, starting and draining 16 connections is a visible part of a slice."""

SWEPT = ("pool_size",)
"""Options that come from a group's axis; given by hand they would say it twice."""


def _expected(words: str) -> WrapValidator:
    """Say every failure of the type below as "expected <words>, got <value>"."""

    def check(value: object, inner: ValidatorFunctionWrapHandler) -> object:
        try:
            return inner(value)
        except ValidationError as error:
            if any(len(each["loc"]) for each in error.errors()):
                raise  # an element of it, which says so itself
            raise PydanticCustomError(
                "expected", "expected {words}, got {value}", {"words": words, "value": _show(value)}
            ) from None

    return WrapValidator(check)


def _show(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _duration(value: object) -> float:
    if not isinstance(value, str):
        raise PydanticCustomError(
            "expected",
            'expected a duration such as "250ms", "2s" or "5m", got {value}',
            {"value": _show(value)},
        )
    try:
        return parse_duration(value)
    except ValueError as error:
        raise PydanticCustomError("expected", "{said}", {"said": str(error)}) from None


def _positive(seconds: float) -> float:
    if seconds <= 0:
        raise PydanticCustomError("expected", "expected a duration above zero")
    return seconds


def _distinct(values: list[Any]) -> list[Any]:
    if not values:
        raise PydanticCustomError("expected", "expected at least one value, got none")
    repeated = next((value for value in values if values.count(value) > 1), None)
    if repeated is not None:
        raise PydanticCustomError("expected", "{value} stands in it twice", {"value": repeated})
    return values


PositiveInt = Annotated[int, Field(gt=0), _expected("a positive integer")]
Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,47}$"),
    _expected("a name of letters, digits and . _ + - (48 at most)"),
]
Duration = Annotated[
    float,
    AfterValidator(_positive),
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?(ms|s|m|h)$"}),
]
Axis = Annotated[list[PositiveInt], AfterValidator(_distinct), _expected("a list of integers")]
Cpus = Annotated[
    list[Annotated[int, Field(ge=0), _expected("a CPU number")]],
    AfterValidator(_distinct),
    _expected("a list of CPU numbers"),
]


@dataclass(frozen=True, config=STRICT)
class Affinity:
    """Which CPUs each part of a run may use."""

    app: Cpus
    load: Cpus
    database: Cpus


def _affinity(value: object) -> object:
    if value in ("auto", "off"):
        return value
    if isinstance(value, dict):
        return TypeAdapter(Affinity).validate_python(value)
    raise PydanticCustomError(
        "expected",
        'expected "auto", "off" or {{ app = [0], load = [1], database = [1] }}, got {value}',
        {"value": _show(value)},
    )


@dataclass(frozen=True, config=STRICT)
class Run:
    """`[run]`: how long, how precisely and in which order to measure."""

    name: Name | None = None
    budget_s: Duration = Field(default=300.0, alias="budget")
    precision: Annotated[
        float, Field(gt=0, lt=1), _expected("a fraction above 0 and below 1, such as 0.02")
    ] = 0.02
    min_blocks: PositiveInt = 3
    max_blocks: PositiveInt = 20
    warmup_s: Duration = Field(default=1.0, alias="warmup")
    measure_s: Duration = Field(default=2.0, alias="measure")
    slice_s: Duration = Field(default=0.1, alias="slice")
    schedule: Annotated[
        Literal["interleaved", "sequential"], _expected('"interleaved" or "sequential"')
    ] = "interleaved"
    baseline: Name | None = None
    affinity: Annotated[Literal["auto", "off"] | Affinity, BeforeValidator(_affinity)] = "auto"
    timeout_s: Duration = Field(default=10.0, alias="timeout")
    seed: Annotated[int, Field(ge=0), _expected("an integer of 0 or more")] = 1


@dataclass(frozen=True, config=STRICT)
class DatabaseSection:
    """`[database]`: the server, and how many rows it holds."""

    dsn: Annotated[str, _expected("a Postgres DSN")] | None = field(default=None, repr=False)
    users: PositiveInt = 100
    books: PositiveInt = 200
    settings: dict[str, str | bool | int | float] = Field(default_factory=dict)


@dataclass(frozen=True, config=STRICT)
class StackSection:
    """`[[stack]]`: an adapter, its lane and its options, under a name."""

    name: Name
    adapter: Annotated[str, _expected("an adapter's name")]
    lane: Annotated[Lane, _expected('"idiomatic" or "matched"')] = "idiomatic"
    options: dict[str, Any] = Field(default_factory=dict)


EndpointName = Annotated[
    Endpoint, _expected("one of users_get, users_list, users_insert, books_list")
]


@dataclass(frozen=True, config=STRICT)
class Group:
    """`[[group]]`: axes that expand to settings, and the stacks that take part."""

    name: Name
    endpoint: Annotated[
        list[EndpointName], AfterValidator(_distinct), _expected("a list of endpoints")
    ]
    stacks: (
        Annotated[list[str], AfterValidator(_distinct), _expected("a list of stack names")] | None
    ) = None
    baseline: str | None = None
    mixed_lanes: Annotated[bool, _expected("true or false")] = False
    concurrency: Axis = Field(default_factory=lambda: [16])
    pool_size: Axis = Field(default_factory=lambda: [10])
    workers: Axis = Field(default_factory=lambda: [1])
    limit: Axis | None = None


@dataclass(frozen=True, config=STRICT)
class Document:
    """The whole of `matrix.toml`, each key checked for itself."""

    stack: list[StackSection]
    group: list[Group]
    run: Run = Field(default_factory=Run)
    database: DatabaseSection = Field(default_factory=DatabaseSection)


@plain_dataclass(frozen=True)
class Matrix:
    """A matrix whose parts fit together: stacks resolved, groups naming only what exists."""

    name: str
    run: Run
    database: DatabaseSection
    stacks: Mapping[str, Stack]
    groups: Sequence[Group]

    def stacks_of(self, group: Group) -> list[Stack]:
        """Return the stacks that take part in `group`, in the matrix's order."""
        return [
            stack
            for name, stack in self.stacks.items()
            if group.stacks is None or name in group.stacks
        ]

    def baseline_of(self, group: Group) -> str | None:
        """Return the stack the others of `group` are compared with, if it has one."""
        members = [stack.name for stack in self.stacks_of(group)]
        wanted = group.baseline or self.run.baseline
        return wanted if wanted in members else (members[0] if len(members) > 1 else None)

    def group(self, name: str) -> Group:
        """Return the group called `name`."""
        return next(group for group in self.groups if group.name == name)


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
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path}: not valid TOML: {error}") from None
    return parse(document, name=path.stem)


def parse(document: Mapping[str, Any], name: str) -> Matrix:
    """Check a parsed TOML document. Raises `BadInput` with the path of the first key at fault."""
    try:
        checked = TypeAdapter(Document).validate_python(dict(document))
    except ValidationError as error:
        raise BadInput(_said(error.errors()[0])) from None
    _check_run(checked.run)
    stacks = _stacks(checked.stack)
    _check_groups(checked, stacks)
    run_name = checked.run.name or name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", run_name):
        raise BadInput(
            f"run.name: results cannot go into a folder called {run_name!r}; "
            "give a name of letters, digits and . _ + -"
        )
    return Matrix(run_name, checked.run, checked.database, stacks, tuple(checked.group))


def narrowed(matrix: Matrix, patterns: Sequence[str]) -> Matrix:
    """Keep the groups and the stacks whose name matches any glob (`--only`).

    A pattern that matches groups selects those groups; one that matches stacks
    selects those stacks, in every group selected. Raises `BadInput` when nothing is left.
    """
    from fnmatch import fnmatchcase

    groups = [g for g in matrix.groups if any(fnmatchcase(g.name, p) for p in patterns)]
    names = [n for n in matrix.stacks if any(fnmatchcase(n, p) for p in patterns)]
    unmatched = [
        p
        for p in patterns
        if not any(fnmatchcase(n, p) for n in (*(g.name for g in matrix.groups), *matrix.stacks))
    ]
    if unmatched:
        raise BadInput(
            f"--only {unmatched[0]}: matches no group ({', '.join(g.name for g in matrix.groups)}) "
            f"and no stack ({', '.join(matrix.stacks)})"
        )
    stacks = {n: s for n, s in matrix.stacks.items() if not names or n in names}
    kept = [g for g in (groups or matrix.groups) if g.stacks is None or stacks.keys() & g.stacks]
    if not kept:
        raise BadInput(f"--only {' '.join(patterns)}: no group holds any of these stacks")
    return replace(matrix, stacks=stacks, groups=tuple(kept))


def quick(matrix: Matrix) -> Matrix:
    """Return the same matrix with the short times of `--quick`."""
    run = replace(
        matrix.run, warmup_s=0.3, measure_s=0.7, budget_s=min(matrix.run.budget_s, 90.0), slice_s=0.1
    )
    return replace(matrix, run=run)


def _check_run(run: Run) -> None:
    if run.max_blocks < run.min_blocks:
        raise BadInput(
            f"run.max_blocks: expected at least run.min_blocks ({run.min_blocks}), "
            f"got {run.max_blocks}"
        )
    if run.slice_s < MIN_SLICE_S:
        raise BadInput(f'run.slice: expected "{MIN_SLICE_S * 1000:.0f}ms" or more')
    if run.measure_s < run.slice_s:
        raise BadInput("run.measure: expected at least one run.slice")


def _stacks(sections: Sequence[StackSection]) -> dict[str, Stack]:
    if not sections:
        raise BadInput("stack: expected at least one [[stack]]")
    stacks: dict[str, Stack] = {}
    for index, section in enumerate(sections):
        if section.name in stacks:
            raise BadInput(f"stack[{index}].name: a second stack is called {section.name!r}")
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
    given = dict(module.LANES.get(section.lane, {})) | section.options
    try:
        checked = TypeAdapter(module.Options, config=None).validate_python(given, strict=True)
    except ValidationError as error:
        raise BadInput(f"{path}.options.{_said(error.errors()[0])}") from None
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
    if group.limit is not None and not {"users_list", "books_list"} & set(group.endpoint):
        raise BadInput(f"{path}.limit: none of the group's endpoints returns a list")


def _said(error: Any) -> str:
    """Return one pydantic error as `key[0].path: what is wrong with it`."""
    path = _path(error["loc"])
    kind = error["type"]
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        known = _known_keys(error["loc"][:-1])
        return f"{path}: {_unknown(str(error['loc'][-1]), known, 'key')}"
    if kind == "missing":
        return f"{path}: is required"
    if kind == "expected":
        return f"{path}: {error['msg']}"
    said = str(error["msg"]).removeprefix("Input should be ")
    return f"{path}: expected {said}, got {_show(error['input'])}"


def _known_keys(loc: Iterable[int | str]) -> list[str]:
    sections: dict[tuple[str, ...], Any] = {
        (): Document,
        ("run",): Run,
        ("run", "affinity"): Affinity,
        ("database",): DatabaseSection,
        ("stack",): StackSection,
        ("group",): Group,
    }
    section = sections.get(tuple(str(part) for part in loc if not isinstance(part, int)))
    if section is None:
        return []
    schema = TypeAdapter(section).json_schema()
    return list(schema.get("properties", {}))


def _path(loc: Iterable[int | str]) -> str:
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path or "matrix"


def _unknown(name: str, known: Iterable[str], what: str = "option") -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what} {name!r}; {hint}known: {', '.join(names) or 'none'}"
