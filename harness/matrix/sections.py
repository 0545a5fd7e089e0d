"""The sections of `matrix.toml`, each key with its type and default: the format itself.

Plain frozen dataclasses, which pydantic reads from the parsed TOML; times are in
seconds once read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Annotated, Any, ClassVar, Literal

import orjson
from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, TypeAdapter
from pydantic_core import PydanticCustomError

from harness.matrix.claims import Claim
from harness.matrix.values import (
    Axis,
    Cpus,
    Name,
    Objective,
    Plain,
    PlainValue,
    PositiveInt,
    Rates,
    RoundTrips,
    Seconds,
    Values,
    distinct,
    expected,
    named,
    show,
)
from harness.model import Endpoint, Lane, Via

STRICT = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True)
class Affinity:
    """Which CPUs each part of a run may use."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    app: Cpus
    load: Cpus
    database: Cpus


def _affinity(value: object) -> object:
    if value in ("auto", "off"):
        return value
    if isinstance(value, dict):
        # What it raises keeps its place: pydantic puts the path to here before it.
        return TypeAdapter(Affinity).validate_json(orjson.dumps(value))
    raise PydanticCustomError(
        "expected",
        'expected "auto", "off" or a table of app, load and database CPUs, got {value}',
        {"value": show(value)},
    )


PROCESSES_MAX = 64


def _processes(value: object) -> object:
    if value == "auto" or (type(value) is int and 1 <= value <= PROCESSES_MAX):
        return value
    raise PydanticCustomError(
        "expected",
        'expected "auto" or a number of processes from 1 to {most}, got {value}',
        {"most": PROCESSES_MAX, "value": show(value)},
    )


@dataclass(frozen=True)
class Load:
    """Who gives the load: how many generator processes share a target's connections."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    processes: Annotated[
        Literal["auto"] | int,
        PlainValidator(_processes, json_schema_input_type=Literal["auto"] | int),
    ] = "auto"


@dataclass(frozen=True)
class Run:
    """`[run]`: how long, how precisely and in which order to measure."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: Name | None = None
    budget: Seconds = 300.0
    precision: Annotated[
        float, Field(gt=0, lt=1), expected("a fraction above 0 and below 1, such as 0.02")
    ] = 0.02
    min_blocks: PositiveInt = 3
    max_blocks: PositiveInt = 20
    warmup: Seconds = 1.0
    measure: Seconds = 2.0
    slice: Seconds = 0.1
    schedule: Annotated[
        Literal["interleaved", "sequential"], expected('"interleaved" or "sequential"')
    ] = "interleaved"
    baseline: Name | None = None
    affinity: Annotated[
        Literal["auto", "off"] | Affinity,
        PlainValidator(_affinity, json_schema_input_type=Literal["auto", "off"] | Affinity),
    ] = "auto"
    timeout: Seconds = 10.0
    seed: Annotated[int, Field(ge=0), expected("an integer of 0 or more")] = 1
    ceilings: Annotated[bool, expected("true or false")] = True
    round_trips: Annotated[bool, expected("true or false")] = True
    load: Load = field(default_factory=Load)
    plots: Annotated[bool, expected("true or false")] = True


@dataclass(frozen=True)
class DatabaseSection:
    """`[database]`: the server, and how many rows it holds."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    dsn: Annotated[str, expected("a Postgres DSN")] | None = field(default=None, repr=False)
    users: PositiveInt = 100
    books: PositiveInt = 200
    settings: dict[str, PlainValue] = field(default_factory=dict)


@dataclass(frozen=True)
class StackSection:
    """`[[stack]]`: an adapter, its lane and its options, under a name."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: Name
    adapter: Annotated[
        str,
        Field(pattern=r"^[^\s./\\]+(\.[^\s./\\]+)*$"),
        expected("an adapter's name, or that of a module with its dots"),
    ]
    lane: Annotated[Lane, expected('"idiomatic" or "matched"')] = "idiomatic"
    options: dict[str, Any] = field(default_factory=dict)
    via: Annotated[Via, expected('"pgbouncer"')] | None = None


EndpointName = Annotated[
    Endpoint, expected("one of users_get, users_list, users_insert, books_list")
]


@dataclass(frozen=True)
class Group:
    """`[[group]]`: axes that expand to settings, and the stacks that take part.

    With `slo`, what is measured is the capacity that keeps it; `concurrency` is then one
    number, the most connections to try. `options` are adapter options, each with the
    values to sweep.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: Name
    endpoint: Annotated[
        list[EndpointName], AfterValidator(distinct), expected("a list of endpoints")
    ]
    stacks: (
        Annotated[
            list[Annotated[str, expected("a stack's name")]],
            AfterValidator(distinct),
            expected("a list of stack names"),
        ]
        | None
    ) = None
    baseline: Annotated[str, expected("a stack's name")] | None = None
    mixed_lanes: Annotated[bool, expected("true or false")] = False
    concurrency: Axis = field(default_factory=lambda: [16])
    pool_size: Axis = field(default_factory=lambda: [10])
    workers: Axis = field(default_factory=lambda: [1])
    limit: Axis | None = None
    rate: Rates | None = None
    rtt: RoundTrips = field(default_factory=lambda: [0.0])
    slo: Objective | None = None
    options: dict[str, Values] = field(default_factory=dict)

    @cached_property
    def combinations(self) -> Mapping[str, Mapping[str, Plain]]:
        """Every combination of the swept options, by its name; `""` where none is swept."""
        found = [
            dict(zip(self.options, values, strict=True))
            for values in product(*self.options.values())
        ]
        return {named(each): each for each in found}


@dataclass(frozen=True)
class Document:
    """The whole of `matrix.toml`, each key checked for itself."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    stack: list[StackSection]
    group: list[Group]
    run: Run = field(default_factory=Run)
    database: DatabaseSection = field(default_factory=DatabaseSection)
    claim: list[Claim] = field(default_factory=list)
