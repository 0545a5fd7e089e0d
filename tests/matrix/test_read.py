"""What a right matrix is read as, narrowed to and resolved as."""

import tomllib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

import harness
from harness import plan
from harness.errors import BadInput
from harness.matrix import Affinity, Load, Matrix, narrowed, parse, quick, read
from harness.matrix.sections import Document
from harness.results.resolved import to_toml
from harness.slo import Slo
from tests.factories import a_document, a_matrix

PUBLISHED = Path(__file__).parents[2] / "matrix.toml"
SHIPPED = sorted((Path(harness.__file__).parent / "scenarios").glob("*.toml"))
STACKS = [
    {"name": "a", "adapter": "asyncpg_pool"},
    {"name": "b", "adapter": "psycopg_pool", "options": {"pool_pre_ping": True}},
    {"name": "c", "adapter": "sqlalchemy_sync", "lane": "matched"},
    {"name": "d", "adapter": "psycopg_pool", "lane": "matched", "options": {"autocommit": False}},
]
GROUPS = [
    {"name": "ab", "endpoint": ["users_get"], "stacks": ["a", "b"], "baseline": "b"},
    {"name": "cd", "endpoint": ["users_list"], "stacks": ["c", "d"], "limit": [5, 10]},
    {"name": "all", "endpoint": ["users_get"], "mixed_lanes": True},
]


def several() -> Matrix:
    return a_matrix(stack=STACKS, group=GROUPS, run={"baseline": "a"})


def read_back(matrix: Matrix) -> Matrix:
    return parse(tomllib.loads(to_toml(matrix)), "another-name")


def test_a_matrix_needs_only_a_stack_and_a_group() -> None:
    matrix = a_matrix()
    assert matrix.name == "m"
    assert matrix.run.budget == 300
    assert matrix.run.precision == 0.02
    assert (matrix.run.min_blocks, matrix.run.max_blocks) == (3, 20)
    assert (matrix.run.warmup, matrix.run.measure, matrix.run.slice) == (1.0, 2.0, 0.1)
    assert (matrix.run.schedule, matrix.run.affinity) == ("interleaved", "auto")
    assert (matrix.run.timeout, matrix.run.seed) == (10.0, 1)
    assert (matrix.database.users, matrix.database.books) == (100, 200)
    group = matrix.groups[0]
    assert (group.concurrency, group.pool_size, group.workers) == ([16], [10], [1])


def test_the_documented_matrix_is_read() -> None:
    matrix = read(PUBLISHED)
    assert matrix.name == "matrix"
    assert len(plan.cells(matrix)) == 24
    assert read(PUBLISHED) == matrix


def test_run_name_goes_before_the_files() -> None:
    assert a_matrix(run={"name": "x"}).name == "x"


def test_options_are_defaults_then_the_lanes_then_those_given_by_hand() -> None:
    stacks = several().stacks
    assert stacks["a"].options["reset"] is True
    assert stacks["b"].options["pool_pre_ping"] is True
    assert stacks["c"].options["style"] == "core"
    assert stacks["d"].options["autocommit"] is False  # by hand, against its lane
    assert stacks["d"].options["binary"] is True


def test_affinity_may_be_a_table() -> None:
    run = {"affinity": {"app": [0, 1], "load": [2], "database": [3]}}
    assert a_matrix(run=run).run.affinity == Affinity([0, 1], [2], [3])


def test_load_comes_from_as_many_processes_as_it_takes_unless_told() -> None:
    assert a_matrix().run.load == Load("auto")
    assert a_matrix(run={"load": {"processes": 3}}).run.load == Load(3)


def test_the_baseline_is_the_groups_else_the_runs_else_the_first_stack() -> None:
    matrix = several()
    assert [matrix.baseline_of(group) for group in matrix.groups] == ["b", "c", "a"]


def test_a_stack_alone_has_no_baseline() -> None:
    matrix = narrowed(several(), ["cd", "d"])
    assert matrix.baseline_of(matrix.group("cd")) is None


@pytest.mark.parametrize(
    ("patterns", "groups", "stacks"),
    [
        (["ab"], ["ab"], "abcd"),
        (["a"], ["ab", "all"], "a"),
        (["c*"], ["cd"], "c"),
        (["cd", "d"], ["cd"], "d"),
        (["*"], ["ab", "cd", "all"], "abcd"),
        (["[ab]"], ["ab", "all"], "ab"),
    ],
)
def test_only_selects_groups_and_stacks(
    patterns: list[str], groups: list[str], stacks: str
) -> None:
    matrix = narrowed(several(), patterns)
    assert [group.name for group in matrix.groups] == groups
    assert "".join(matrix.stacks) == stacks
    members = {stack.name for group in matrix.groups for stack in matrix.stacks_of(group)}
    assert members <= set(matrix.stacks)


@pytest.mark.parametrize(
    ("patterns", "said"),
    [
        (["x"], "--only x: matches no group (ab, cd, all) and no stack (a, b, c, d)"),
        (["a", "X*"], "--only X*: matches no group (ab, cd, all) and no stack (a, b, c, d)"),
        (["ab", "c"], "--only ab c: no group holds any of these stacks"),
    ],
)
def test_only_that_selects_nothing_is_refused(patterns: list[str], said: str) -> None:
    with pytest.raises(BadInput) as caught:
        narrowed(several(), patterns)
    assert str(caught.value) == said


def test_quick_is_two_short_blocks_within_the_same_budget() -> None:
    run = quick(a_matrix(run={"budget": "20s"})).run
    assert (run.budget, run.min_blocks, run.max_blocks) == (20, 2, 2)
    assert run.warmup + run.measure < 1


SEARCHING = {"name": "g", "endpoint": ["users_get"], "slo": "p95<7.5ms"}


def test_a_group_with_an_slo_tries_256_connections_unless_it_says_how_many() -> None:
    (group,) = a_matrix(group=[SEARCHING]).groups
    assert (group.slo, group.concurrency) == (Slo(95, 0.0075), [256])
    (group,) = a_matrix(group=[SEARCHING | {"concurrency": [40]}]).groups
    assert group.concurrency == [40]
    assert a_matrix().groups[0].concurrency == [16]


MATRICES: dict[str, Callable[[], Matrix]] = {
    "published": lambda: read(PUBLISHED),
    "quick": lambda: quick(read(PUBLISHED)),
    "several": several,
    "one stack of many": lambda: narrowed(several(), ["c"]),
    "without its baseline": lambda: narrowed(several(), ["b"]),
    "one group": lambda: narrowed(several(), ["cd"]),
    "odd times": lambda: a_matrix(run={"budget": "1500.5s", "warmup": "1.1s", "slice": "77.7ms"}),
    "own affinity": lambda: a_matrix(
        run={"affinity": {"app": [0], "load": [1], "database": [1]}, "precision": 0.123456789}
    ),
    "capacity": lambda: a_matrix(group=[SEARCHING]),
    "capacity with its bound": lambda: a_matrix(group=[SEARCHING | {"concurrency": [40]}]),
    "generators": lambda: a_matrix(run={"load": {"processes": 2}, "ceilings": False}),
    "claims": lambda: a_matrix(
        claim=[
            {
                "says": "it is so",
                "expect": [
                    {"cell": {"stack": "base", "concurrency": 16}, "column": "rps", "least": 0.5},
                    {"cell": {}, "over": {"stack": "base"}, "column": "rps", "published": 2},
                    {"cell": {}, "column": "outcome", "equals": "ok"},
                ],
            }
        ]
    ),
    "settings": lambda: a_matrix(
        database={"settings": {"jit": False, "x": 'a"\nb', "y": 1.5, "max_connections": "300"}}
    ),
    **{f"scenario {each.stem}": partial(read, each) for each in SHIPPED},
}


@pytest.mark.parametrize("name", MATRICES)
def test_the_resolved_matrix_is_read_as_the_one_that_was_measured(name: str) -> None:
    matrix = MATRICES[name]()
    again = read_back(matrix)
    assert again.name == matrix.name
    assert again.run == replace(matrix.run, name=matrix.name)
    assert again.database == matrix.database
    assert again.stacks == matrix.stacks
    assert plan.cells(again) == plan.cells(matrix)
    for one, other in zip(again.groups, matrix.groups, strict=True):
        assert again.stacks_of(one) == matrix.stacks_of(other)
        assert again.baseline_of(one) == matrix.baseline_of(other)
        assert replace(one, stacks=other.stacks, baseline=other.baseline) == other


@pytest.mark.parametrize("name", MATRICES)
def test_a_resolved_matrix_reads_back_to_its_equal(name: str) -> None:
    resolved = read_back(MATRICES[name]())
    assert read_back(resolved) == resolved
    assert to_toml(resolved) == to_toml(MATRICES[name]())


@pytest.mark.parametrize("name", MATRICES)
def test_what_was_measured_is_read_where_its_adapters_are_not(name: str) -> None:
    matrix = MATRICES[name]()
    document = tomllib.loads(to_toml(matrix))
    for stack in document["stack"]:
        stack["adapter"] = f"another_machine.{stack['adapter']}"
    again = parse(document, "another-name", resolved=True)
    assert plan.settings(again) == plan.settings(matrix)
    for stack, was in zip(again.stacks.values(), matrix.stacks.values(), strict=True):
        known = {name: value for name, value in was.options.items() if value is not None}
        assert stack.name == was.name
        assert {"pool_size": known["pool_size"], **stack.options} == known


TIMES = st.one_of(
    st.integers(1, 10_000).map(lambda n: f"{n}s"),
    st.decimals(1, 10_000, places=3).map(lambda n: f"{n}s"),
    st.decimals(1, 100_000, places=3).map(lambda n: f"{n + 1000}ms"),
)


@settings(max_examples=60)
@given(
    st.fixed_dictionaries(
        {
            "budget": TIMES,
            "warmup": TIMES,
            "measure": TIMES,
            "timeout": TIMES,
            "precision": st.floats(0, 1, exclude_min=True, exclude_max=True),
            "seed": st.integers(0, 2**63 - 1),
        }
    ),
    st.dictionaries(
        st.text("abc_.", min_size=1),
        st.one_of(
            st.booleans(),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(st.characters(exclude_categories=["Cs"])),
        ),
        max_size=3,
    ),
)
def test_any_resolved_matrix_is_read_as_it_was(run: dict[str, Any], said: dict[str, Any]) -> None:
    matrix = a_matrix(run=run, database={"settings": said})
    again = read_back(matrix)
    assert again.run == replace(matrix.run, name="m")
    assert again.database == matrix.database


def test_the_resolved_matrix_holds_no_dsn() -> None:
    matrix = a_matrix(database={"dsn": "postgresql://u:secret@h/d"})
    assert "secret" not in to_toml(matrix)
    assert "secret" not in repr(matrix)


def test_the_format_has_a_json_schema() -> None:
    schema = TypeAdapter(Document).json_schema()
    assert set(schema["properties"]) == {"run", "database", "stack", "group", "claim"}
    affinity = schema["$defs"]["Run"]["properties"]["affinity"]
    assert {"enum": ["auto", "off"], "type": "string"} in affinity["anyOf"]


def test_reading_a_document_leaves_it_as_it_was() -> None:
    document = a_document(run={"seed": 2})
    parse(document, "m")
    assert document == a_document(run={"seed": 2})


def test_a_stack_that_prepares_nothing_may_go_through_pgbouncer() -> None:
    stacks = [
        {
            "name": "bounced",
            "adapter": "asyncpg_pool",
            "options": {"statement_cache_size": 0},
            "via": "pgbouncer",
        },
        {"name": "client-side", "adapter": "sqlalchemy_sync", "via": "pgbouncer"},
        {"name": "straight", "adapter": "asyncpg_pool"},
    ]
    read = a_matrix(stack=stacks)
    assert [stack.via for stack in read.stacks.values()] == ["pgbouncer", "pgbouncer", None]
    assert parse(tomllib.loads(to_toml(read)), "m").stacks == read.stacks
