"""`matrix.toml` -> `Matrix`: every mistake in it is found here, and said with its key path."""

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from harness import ceilings
from harness.duration import format_duration
from harness.errors import BadInput
from harness.matrix import claims, via
from harness.matrix.complaints import path as path_of
from harness.matrix.complaints import said, unknown, worst
from harness.matrix.matrix import Matrix
from harness.matrix.options import check_swept, of_stack
from harness.matrix.sections import DatabaseSection, Document, Group, Run, StackSection
from harness.matrix.values import show
from harness.model import Stack

MIN_SLICE_S = 0.02
"""Below this, changing from one stack to the next is a visible part of a slice. That it is long
beside a request, of however many connections, is seen to when latencies are known."""

INT64 = range(-(2**63), 2**63)
"""The integers of TOML."""

DEEPEST = 8
"""No key of a matrix lies deeper, those of an option's own tables included."""

DOCUMENT = TypeAdapter(Document)
"""Made once: that takes longer than all the checking."""

SLO_CONCURRENCY = 256
"""The most connections to try for an SLO unless the group says it: more than keep any pool
busy, and few enough for every server and every limit on open files."""


def read(path: Path, *, resolved: bool = False) -> Matrix:
    """Read and check the matrix at `path`. Raises `BadInput` with the file or key at fault.

    A `resolved` one is that of a results folder. Its options were checked when it was
    measured: neither the adapters nor their drivers, half a second to import, need be here.
    """
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
    return parse(document, name=path.stem, resolved=resolved)


def parse(document: Mapping[str, Any], name: str, *, resolved: bool = False) -> Matrix:
    """Check a parsed TOML document. Raises `BadInput` with the path of the first key at fault."""
    _check_values(document, ())
    try:
        # By way of JSON: in pydantic's strict mode a table is a dataclass only in JSON.
        checked = DOCUMENT.validate_json(orjson.dumps(document))
    except ValidationError as error:
        raise BadInput(said(worst(error))) from None
    _check_run(checked.run)
    _check_database(checked.database)
    stacks = _stacks(checked.stack, resolved)
    _check_groups(checked, stacks, resolved)
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
        raise BadInput(f"{path_of(loc)}: {wrong}")


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


def _stacks(sections: Sequence[StackSection], resolved: bool) -> dict[str, Stack]:
    if not sections:
        raise BadInput("stack: expected at least one [[stack]]")
    stacks: dict[str, Stack] = {}
    for index, section in enumerate(sections):
        name = section.name if section.side is None else f"{section.name}@{section.side}"
        if name in stacks:
            raise BadInput(f"stack[{index}].name: a second stack is called {name!r}")
        if section.name in ceilings.NAMES:
            raise BadInput(
                f"stack[{index}].name: {section.name!r} is what a ceiling beside the stacks is "
                "called; choose another name"
            )
        options = section.options if resolved else of_stack(section, f"stack[{index}]")
        refused = via.refusal(section.via, options)
        if refused is not None:
            raise BadInput(f"stack[{index}].{refused}")
        stacks[name] = Stack(
            name,
            section.adapter,
            section.lane,
            options,
            section.via,
            by_hand=section.options,
            side=section.side,
        )
    return stacks


def _check_groups(document: Document, stacks: Mapping[str, Stack], resolved: bool) -> None:
    if not document.group:
        raise BadInput("group: expected at least one [[group]]")
    baseline = document.run.baseline
    if baseline is not None and baseline not in stacks:
        raise BadInput(f"run.baseline: {unknown(baseline, stacks, 'stack')}")
    seen: set[str] = set()
    for index, group in enumerate(document.group):
        path = f"group[{index}]"
        if group.name in seen:
            raise BadInput(f"{path}.name: a second group is called {group.name!r}")
        seen.add(group.name)
        _check_group(group, path, stacks, resolved)


def _check_group(group: Group, path: str, stacks: Mapping[str, Stack], resolved: bool) -> None:
    for index, name in enumerate(group.stacks or ()):
        if name not in stacks:
            raise BadInput(f"{path}.stacks[{index}]: {unknown(name, stacks, 'stack')}")
    members = [stacks[name] for name in (group.stacks or stacks)]
    if group.baseline is not None and group.baseline not in {stack.name for stack in members}:
        raise BadInput(
            f"{path}.baseline: {unknown(group.baseline, [s.name for s in members], 'stack')}"
        )
    if len({stack.lane for stack in members}) > 1 and not group.mixed_lanes:
        raise BadInput(
            f"{path}.stacks: holds stacks of both lanes, which do different work; "
            "name those of one lane, or set mixed_lanes = true"
        )
    if not resolved:
        check_swept(group, path, members)
    if group.slo is not None:
        _check_slo(group, path)
    if group.limit is not None and not {"users_list", "books_list"} & set(group.endpoint):
        raise BadInput(f"{path}.limit: none of the group's endpoints returns a list")


def _check_slo(group: Group, path: str) -> None:
    if group.rounds > 1:
        raise BadInput(
            f"{path}.rounds: a search for capacity is one round, at loads of its own; "
            "give one of rounds and slo, or make two groups"
        )
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
