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
    SideName,
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
    """Those of the servers."""
    load: Cpus
    """Those of the generators."""
    database: Cpus
    """Those of the embedded Postgres."""


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
        PlainValidator(
            _processes,
            json_schema_input_type=Literal["auto"] | Annotated[int, Field(ge=1, le=PROCESSES_MAX)],
        ),
    ] = "auto"
    """"auto" is as many as keep each below 70 % of a core."""


@dataclass(frozen=True)
class Run:
    """`[run]`: how long, how precisely and in which order to measure."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: Name | None = None
    """Results go into `results/<name>/`. Default: the file's name."""
    budget: Seconds = 300.0
    """Stop after this much wall time ..."""
    precision: Annotated[
        float, Field(gt=0, lt=1), expected("a fraction above 0 and below 1, such as 0.02")
    ] = 0.02
    """... or when every ratio of req/s is known to this fraction, either way (95 % interval)."""
    min_blocks: PositiveInt = 3
    """No verdict before this many blocks of a setting."""
    max_blocks: PositiveInt = 20
    """No more blocks of a setting than this."""
    warmup: Seconds = 1.0
    """Load given to each stack in each block before it counts."""
    measure: Seconds = 2.0
    """Load that counts, for each stack in each block, given in slices."""
    slice: Seconds = 0.1
    """A turn of load on one stack. It is made longer where answers are slow."""
    schedule: Annotated[
        Literal["interleaved", "sequential"], expected('"interleaved" or "sequential"')
    ] = "interleaved"
    """All servers of a setting alive at once, in turns; or one after another."""
    baseline: Name | None = None
    """The stack that others are compared with. Default: the first of each group."""
    affinity: Annotated[
        Literal["auto", "off"] | Affinity,
        PlainValidator(_affinity, json_schema_input_type=Literal["auto", "off"] | Affinity),
    ] = "auto"
    """Which CPUs each part may use: "auto" gives the app half of them for itself."""
    awake: Annotated[bool, expected("true or false")] = True
    """Keep a virtual machine's CPUs from halting between requests, where that is allowed."""
    timeout: Seconds = 10.0
    """A request that takes longer has failed."""
    seed: Annotated[int, Field(ge=0), expected("an integer of 0 or more")] = 1
    """The same seed gives the same order of blocks and slices."""
    ceilings: Annotated[bool, expected("true or false")] = True
    """Beside the stacks: the server without a database, and pgbench."""
    round_trips: Annotated[bool, expected("true or false")] = True
    """Count what a request waits for on the wire."""
    repeat_disturbed: Annotated[bool, expected("true or false")] = True
    """One more block, on top of `max_blocks`, for each that other processes disturbed."""
    load: Load = field(default_factory=Load)
    """Who gives the load."""
    plots: Annotated[bool, expected("true or false")] = True
    """Draw the pictures of the report."""


@dataclass(frozen=True)
class DatabaseSection:
    """`[database]`: the server, and how many rows it holds."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    dsn: Annotated[str, expected("a Postgres DSN")] | None = field(default=None, repr=False)
    """Measure this server, not the embedded one. No password: that comes by PGPASSWORD."""
    users: PositiveInt = 100
    """Rows of `harness.users`."""
    books: PositiveInt = 200
    """Rows of `harness.books`."""
    settings: dict[str, PlainValue] = field(default_factory=dict)
    """Lines of the embedded server's postgresql.conf, such as `max_connections = 300`."""


@dataclass(frozen=True)
class StackSection:
    """`[[stack]]`: an adapter, its lane and its options, under a name."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: Name
    """What tables and plots call it."""
    adapter: Annotated[
        str,
        Field(pattern=r"^[^\s./\\]+(\.[^\s./\\]+)*$"),
        expected("an adapter's name, or that of a module with its dots"),
    ]
    """A file in `adapters/`, a module by its dotted name, or what a package registered."""
    lane: Annotated[Lane, expected('"idiomatic" or "matched"')] = "idiomatic"
    """As the library's documentation shows it, or doing the same work as every other stack."""
    options: dict[str, Any] = field(default_factory=dict)
    """The adapter's own; what its lane sets is overruled."""
    via: Annotated[Via, expected('"pgbouncer"')] | None = None
    """What stands between the stack and the database."""
    side: SideName | None = None
    """The side of `ab` that served it: in results, and nowhere else."""


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
    """What tables call it."""
    endpoint: Annotated[
        list[EndpointName], AfterValidator(distinct), expected("a list of endpoints")
    ]
    """Requests to load, each a setting of its own."""
    stacks: (
        Annotated[
            list[Annotated[str, expected("a stack's name")]],
            AfterValidator(distinct),
            expected("a list of stack names"),
        ]
        | None
    ) = None
    """Those that take part. Default: all."""
    baseline: Annotated[str, expected("a stack's name")] | None = None
    """The stack that the others are compared with. Default: the run's, or the first."""
    mixed_lanes: Annotated[bool, expected("true or false")] = False
    """Compare stacks of both lanes, although they do different work."""
    concurrency: Axis = field(default_factory=lambda: [16])
    """Connections that load a stack. Default: 16."""
    pool_size: Axis = field(default_factory=lambda: [10])
    """Database connections of each worker. Default: 10."""
    workers: Axis = field(default_factory=lambda: [1])
    """Processes of each server. Default: 1."""
    limit: Axis | None = None
    """Rows of the endpoints that return a list. Default: 100 users, 20 books."""
    rate: Rates | None = None
    """An open loop at so many requests a second, whatever has been answered."""
    rtt: RoundTrips = field(default_factory=lambda: [0.0])
    """Distance to the database: what a relay adds to every round trip. Default: "0ms"."""
    slo: Objective | None = None
    """Search the most req/s that keeps this, such as "p99 < 50ms"."""
    rounds: PositiveInt = 1
    """Times that the same servers are given load, to see whether they grow. Default: 1."""
    quiet: Seconds | None = None
    """Time without load after each round, such as "60s", before memory is read."""
    options: dict[str, Values] = field(default_factory=dict)
    """Options of the adapters, each an axis of the group."""

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
    """The stacks that are compared."""
    group: list[Group]
    """What they are compared in."""
    run: Run = field(default_factory=Run)
    """How they are measured."""
    database: DatabaseSection = field(default_factory=DatabaseSection)
    """Where their data are."""
    claim: list[Claim] = field(default_factory=list)
    """What others have found, and the report compares."""
