"""Adapter options: those given with a stack, and those that a group sweeps over its stacks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from adapters import registry
from harness.errors import BadInput
from harness.matrix.complaints import said, unknown, unlike, worst
from harness.matrix.sections import Group, StackSection
from harness.matrix.values import Plain, show
from harness.model import Endpoint, Stack

AXES = ("pool_size",)
"""Options that are an axis of every group; given elsewhere they would be said twice."""


def of_stack(section: StackSection, path: str) -> Mapping[str, object]:
    """Return the options of a stack: the adapter's defaults, its lane's, those given by hand.

    Raises `BadInput` for an adapter that cannot be loaded, and for options it does not have.
    """
    try:
        module = registry.load(section.adapter)
    except registry.AdapterError as error:
        raise BadInput(f"{path}.adapter: {error}") from None
    for name in AXES:
        if name in section.options:
            raise BadInput(f"{path}.options.{name}: comes from the group's {name} axis")
    known = _names(section.adapter)
    for name in section.options:
        if name not in known:
            raise BadInput(f"{path}.options.{name}: {unknown(name, known)}")
    given = dict(registry.lane(module, section.lane)) | section.options
    try:
        checked = _checker(section.adapter).validate_json(orjson.dumps(given), strict=True)
    except ValidationError as error:
        raise BadInput(f"{path}.options.{said(worst(error))}") from None
    return {each.name: getattr(checked, each.name) for each in fields(checked)}


def check_swept(group: Group, path: str, stacks: Sequence[Stack]) -> None:
    """Check the options that `group` sweeps over `stacks`.

    What some of the stacks cannot take makes cells `unsupported`; what none of them can,
    or is of a type that is wrong for one of them, raises `BadInput`.
    """
    adapters = dict.fromkeys(stack.adapter for stack in stacks)
    for name, values in group.options.items():
        where = f"{path}.options.{name}"
        if name in AXES:
            raise BadInput(f"{where}: is an axis of the group itself: {name} = {show(values)}")
        having = [adapter for adapter in adapters if name in _names(adapter)]
        if not having:
            known = set().union(*map(_names, adapters))
            raise BadInput(f"{where}: {unknown(name, known)}")
        for index, value in enumerate(values):
            errors = [_mistake(adapter, name, value) for adapter in having]
            for error in errors:
                # A word that is another adapter's is right, and a number never is.
                if error and (error["type"] != "literal_error" or all(errors)):
                    raise BadInput(f"{where}[{index}]: {unlike(error)}")


def known_to(
    stacks: Iterable[Stack], options: Mapping[str, Sequence[Plain]]
) -> dict[str, list[Plain]]:
    """Return what is left of swept `options` when only `stacks` take part."""
    adapters = dict.fromkeys(stack.adapter for stack in stacks)
    left = {
        name: [value for value in values if any(_takes(each, name, value) for each in adapters)]
        for name, values in options.items()
    }
    return {name: values for name, values in left.items() if values}


def refusal(adapter: str, options: Mapping[str, object], endpoint: Endpoint) -> str | None:
    """Return why `adapter` cannot serve `endpoint` with `options`; None when it can."""
    return _refusal(adapter, orjson.dumps(options), endpoint)


@lru_cache(maxsize=4096)
def _refusal(adapter: str, options: bytes, endpoint: Endpoint) -> str | None:
    for name in orjson.loads(options):
        if name not in _names(adapter) and name not in AXES:
            return f"{adapter} has no option {name!r}"
    try:
        checked = _checker(adapter).validate_json(options, strict=True)
    except ValidationError as error:
        return f"{adapter}: {said(worst(error))}"
    return registry.unsupported(registry.load(adapter), checked, endpoint)


@lru_cache
def _checker(adapter: str) -> TypeAdapter[Any]:
    return TypeAdapter(registry.load(adapter).Options)


@lru_cache
def _names(adapter: str) -> frozenset[str]:
    """Return the options that are given by hand or swept."""
    return frozenset(each.name for each in fields(registry.load(adapter).Options)).difference(AXES)


def _takes(adapter: str, name: str, value: Plain) -> bool:
    return name in _names(adapter) and _mistake(adapter, name, value) is None


def _mistake(adapter: str, name: str, value: Plain) -> Any:
    """Return what pydantic says of `value` as the option `name`; None when it is right."""
    try:
        _checker(adapter).validate_json(orjson.dumps({name: value}), strict=True)
    except ValidationError as error:
        return next((each for each in error.errors() if each["loc"][:1] == (name,)), None)
    return None
