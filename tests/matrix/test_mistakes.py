"""Every mistake a matrix can hold, and the one line that is said of it."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import BadInput
from harness.matrix import parse, read
from tests.factories import a_document

STACK = '[[stack]]\nname = "a"\nadapter = "asyncpg_pool"\n'
GROUP = '[[group]]\nname = "g"\nendpoint = ["users_get"]\n'
RUN_KEYS = (
    "affinity, awake, baseline, budget, ceilings, load, max_blocks, measure, min_blocks, name, "
    "plots, precision, repeat_disturbed, round_trips, schedule, seed, slice, timeout, warmup"
)
DURATION = 'expected a duration such as "250ms", "2s" or "5m", got'
ROUND_TRIP = 'expected "0ms" or a round-trip time of 0.5ms to 1s, got'
NAME = "expected a name of letters, digits and . _ + - (48 at most), got"
SLO = 'expected an SLO such as "p99 < 50ms" (one of p50, p90, p95, p99, < and a duration), got'
ADAPTER = "expected an adapter's name, or that of a module with its dots, got"
ADAPTERS = "asyncpg_pool, psycopg_pool, sqlalchemy_async, sqlalchemy_sync"


def message(toml: str) -> str:
    with pytest.raises(BadInput) as caught:
        parse(tomllib.loads(toml), "m")
    assert caught.value.exit_code == 2
    return str(caught.value)


def refusal(document: Mapping[str, Any]) -> str | None:
    """Return what is said of a document that is refused; only BadInput may say it."""
    try:
        parse(document, "m")
    except BadInput as error:
        return str(error)
    return None


RUN = [
    ('bugdet = "5m"', f"bugdet: unknown key 'bugdet'; did you mean 'budget'? known: {RUN_KEYS}"),
    (
        '"bud\\nget" = 1',
        f"\"bud\\nget\": unknown key 'bud\\nget'; did you mean 'budget'? known: {RUN_KEYS}",
    ),
    ("budget = 300", f"budget: {DURATION} 300"),
    ("budget = true", f"budget: {DURATION} true"),
    ('budget = "3x"', f'budget: {DURATION} "3x"'),
    ('budget = "-3s"', f'budget: {DURATION} "-3s"'),
    ('budget = "1e3s"', f'budget: {DURATION} "1e3s"'),
    ('budget = "٣s"', f'budget: {DURATION} "٣s"'),
    ('budget = ""', f'budget: {DURATION} ""'),
    ('budget = "a\\nb"', f'budget: {DURATION} "a\\nb"'),
    ('budget = "0s"', "budget: expected a duration above zero, got 0"),
    ('budget = "9999h"', 'budget: expected a duration of at most a year, got "9999h"'),
    (
        f'budget = "{"9" * 400}s"',
        f'budget: expected a duration of at most a year, got "{"9" * 57}..."',
    ),
    ("budget = 1979-05-27", "budget: expected no date or time, got 1979-05-27"),
    ("budget = 07:32:00", "budget: expected no date or time, got 07:32:00"),
    ("name = 1979-05-27", "name: expected no date or time, got 1979-05-27"),
    ('name = "a/b"', f'name: {NAME} "a/b"'),
    ('name = ".."', f'name: {NAME} ".."'),
    ("precision = nan", "precision: expected a finite number, got nan"),
    ("precision = -inf", "precision: expected a finite number, got -inf"),
    ("precision = 2", "precision: expected a fraction above 0 and below 1, such as 0.02, got 2"),
    (
        'precision = "1"',
        'precision: expected a fraction above 0 and below 1, such as 0.02, got "1"',
    ),
    ("seed = -1", "seed: expected an integer of 0 or more, got -1"),
    ("seed = 1.5", "seed: expected an integer of 0 or more, got 1.5"),
    (f"seed = {2**63}", f"seed: expected an integer of 64 bits, got {2**63}"),
    (f"seed = {10**70}", f"seed: expected an integer of 64 bits, got {'1' + '0' * 56}..."),
    ("min_blocks = 0", "min_blocks: expected a positive integer, got 0"),
    ("min_blocks = 30", "max_blocks: expected at least run.min_blocks (30), got 20"),
    ('slice = "1ms"', 'slice: expected "20ms" or more, got "1ms"'),
    ('measure = "90ms"', 'measure: expected at least one run.slice ("100ms"), got "90ms"'),
    ('schedule = "x"', 'schedule: expected "interleaved" or "sequential", got "x"'),
    ('baseline = "b"', "baseline: unknown stack 'b'; known: a"),
    ("load = 2", "load: expected a table, got 2"),
    (
        "load = { process = 2 }",
        "load.process: unknown key 'process'; did you mean 'processes'? known: processes",
    ),
    *(
        (
            f"load = {{ processes = {wrong} }}",
            f'load.processes: expected "auto" or a number of processes from 1 to 64, got {wrong}',
        )
        for wrong in ("0", "-1", "65", '"two"', "1.5", "true", "[2]")
    ),
    ("ceilings = 1", "ceilings: expected true or false, got 1"),
    ('ceilings = "no"', 'ceilings: expected true or false, got "no"'),
    (
        "affinity = 1",
        'affinity: expected "auto", "off" or a table of app, load and database CPUs, got 1',
    ),
    ("affinity = { app = [0], load = [1] }", "affinity.database: is required"),
    (
        "affinity = { app = [0], load = [0], database = 1 }",
        "affinity.database: expected a list of CPU numbers, got 1",
    ),
    (
        "affinity = { app = [], load = [0], database = [0] }",
        "affinity.app: expected at least one value, got none",
    ),
    (
        "affinity = { app = [0, -1], load = [0], database = [0] }",
        "affinity.app[1]: expected a CPU number, got -1",
    ),
    (
        'affinity = { app = ["0"], load = [0], database = [0] }',
        'affinity.app[0]: expected a CPU number, got "0"',
    ),
    (
        "affinity = { ap = [0], app = [0], load = [0], database = [0] }",
        "affinity.ap: unknown key 'ap'; did you mean 'app'? known: app, database, load",
    ),
]

DATABASE = [
    ("users = 0", "users: expected a positive integer, got 0"),
    ("dsn = 1", "dsn: expected a Postgres DSN, got 1"),
    ("settings = 1", "settings: expected a table, got 1"),
    ("settings = { a = [1] }", "settings.a: expected text, a number, true or false, got [1]"),
    (
        "settings = { a = { b = 1 } }",
        "settings.a: expected text, a number, true or false, got {'b': 1}",
    ),
    ("settings = { a = nan }", "settings.a: expected a finite number, got nan"),
    ("settings = { a = 1979-05-27 }", "settings.a: expected no date or time, got 1979-05-27"),
    (
        'settings = { max_connections = "x" }',
        'settings.max_connections: expected a positive integer, got "x"',
    ),
    (
        "settings = { max_connections = 0 }",
        "settings.max_connections: expected a positive integer, got 0",
    ),
    (
        "settings = { max_connections = true }",
        "settings.max_connections: expected a positive integer, got true",
    ),
]

GROUPS = [
    ("concurrency = [0]", "concurrency[0]: expected a positive integer, got 0"),
    ("concurrency = [1, -2]", "concurrency[1]: expected a positive integer, got -2"),
    ("concurrency = [1.0]", "concurrency[0]: expected a positive integer, got 1.0"),
    ("concurrency = [true]", "concurrency[0]: expected a positive integer, got true"),
    ('concurrency = ["1"]', 'concurrency[0]: expected a positive integer, got "1"'),
    ("concurrency = [[1]]", "concurrency[0]: expected a positive integer, got [1]"),
    ("concurrency = [1979-05-27]", "concurrency[0]: expected no date or time, got 1979-05-27"),
    ("concurrency = 5", "concurrency: expected a list of integers, got 5"),
    ("concurrency = { a = 1 }", "concurrency: expected a list of integers, got {'a': 1}"),
    ("concurrency = []", "concurrency: expected at least one value, got none"),
    ("concurrency = [1, 1]", "concurrency: 1 stands in it twice"),
    ('rtt = ["-1ms"]', f'rtt[0]: {DURATION} "-1ms"'),
    ("rtt = [5]", f"rtt[0]: {DURATION} 5"),
    ('rtt = "5ms"', 'rtt: expected a list of durations, got "5ms"'),
    ("rtt = []", "rtt: expected at least one value, got none"),
    ('rtt = ["1ms", "0.001s"]', "rtt: 1ms stands in it twice"),
    ('rtt = ["0ms", "0.4ms"]', f"rtt[1]: {ROUND_TRIP} 0.4ms"),
    ('rtt = ["2s"]', f"rtt[0]: {ROUND_TRIP} 2s"),
    ("rate = [0]", "rate[0]: expected a rate of 0.01 to 100000 req/s, got 0"),
    ("rate = [5, -1.5]", "rate[1]: expected a rate of 0.01 to 100000 req/s, got -1.5"),
    ('rate = ["5"]', 'rate[0]: expected a rate of 0.01 to 100000 req/s, got "5"'),
    ("rate = [true]", "rate[0]: expected a rate of 0.01 to 100000 req/s, got true"),
    ("rate = [1e6]", "rate[0]: expected a rate of 0.01 to 100000 req/s, got 1000000.0"),
    ("rate = [nan]", "rate[0]: expected a finite number, got nan"),
    ("rate = 500", "rate: expected a list of rates in req/s, got 500"),
    ("rate = []", "rate: expected at least one value, got none"),
    ("rate = [5, 5.0]", "rate: 5.0 stands in it twice"),
    ("rate = [1e-300]", "rate[0]: expected a rate of 0.01 to 100000 req/s, got 1e-300"),
    ("pool_size = [0]", "pool_size[0]: expected a positive integer, got 0"),
    ("workers = [0]", "workers[0]: expected a positive integer, got 0"),
    ("limit = [1]", "limit: none of the group's endpoints returns a list"),
    ("stacks = []", "stacks: expected at least one value, got none"),
    ("stacks = [1]", "stacks[0]: expected a stack's name, got 1"),
    ('stacks = "a"', 'stacks: expected a list of stack names, got "a"'),
    ('stacks = ["a", "b"]', "stacks[1]: unknown stack 'b'; known: a"),
    ("baseline = 1", "baseline: expected a stack's name, got 1"),
    ('baseline = "b"', "baseline: unknown stack 'b'; known: a"),
    ("mixed_lanes = 1", "mixed_lanes: expected true or false, got 1"),
    ("rounds = 0", "rounds: expected a positive integer, got 0"),
    (
        'slo = "p99 < 50ms"\nrounds = 2',
        (
            "rounds: a search for capacity is one round, at loads of its own; "
            "give one of rounds and slo, or make two groups"
        ),
    ),
    ("quiet = 60", 'quiet: expected a duration such as "250ms", "2s" or "5m", got 60'),
    ("slo = 1", 'slo: expected an SLO such as "p99 < 50ms", got 1'),
    ("slo = []", 'slo: expected an SLO such as "p99 < 50ms", got []'),
    ('slo = ""', f'slo: {SLO} ""'),
    ('slo = "fast"', f'slo: {SLO} "fast"'),
    ('slo = "p98 < 50ms"', f'slo: {SLO} "p98 < 50ms"'),
    ('slo = "p99 < 50"', f'slo: {DURATION} " 50"'),
    ('slo = "p99 < 0s"', "slo: expected a duration above zero, got 0"),
    (
        'slo = "p99 < 50ms"\nconcurrency = [8, 64]',
        (
            "concurrency: expected one number, the most connections to try, as slo is given; "
            "got [8, 64]"
        ),
    ),
    (
        'slo = "p99 < 50ms"\nrate = [100]',
        (
            "slo: the capacity under an SLO is searched in a closed loop, which has no rate; "
            "give one of the two, or make two groups"
        ),
    ),
]

STACKS = [
    ('via = "pgpool"', 'via: expected "pgbouncer", got "pgpool"'),
    (
        'via = "pgbouncer"',
        (
            'options.prepared: expected false, as via is "pgbouncer": behind it '
            "each transaction may have another connection, and finds nothing prepared there"
        ),
    ),
    ("options = [1]", "options: expected a table, got [1]"),
    ("options = { reset = [1] }", "options.reset: expected true or false, got [1]"),
    ("options = { reset = 1 }", "options.reset: expected true or false, got 1"),
    ("options = { reset = 1979-05-27 }", "options.reset: expected no date or time, got 1979-05-27"),
    ("options = { pool_timeout = inf }", "options.pool_timeout: expected a finite number, got inf"),
    ('options = { pool_timeout = "1" }', 'options.pool_timeout: expected a number, got "1"'),
    ("options = { max_queries = 1.5 }", "options.max_queries: expected an integer, got 1.5"),
    ('options = { books = "x" }', "options.books: expected 'queries' or 'json_agg', got \"x\""),
    ("options = { pool_size = 1 }", "options.pool_size: comes from the group's pool_size axis"),
    (
        "options = { rest = true }",
        (
            "options.rest: unknown option 'rest'; did you mean 'reset'? known: autocommit, "
            "books, max_inactive_connection_lifetime, max_overflow, max_queries, pool_timeout, "
            "prepared, reset, statement_cache_size, transaction"
        ),
    ),
    ('lane = "x"', 'lane: expected "idiomatic" or "matched", got "x"'),
]

ADAPTER_NAMES = [
    ("5", f"{ADAPTER} 5"),
    ('""', f'{ADAPTER} ""'),
    ('"."', f'{ADAPTER} "."'),
    ('"../mine"', f'{ADAPTER} "../mine"'),
    ('"a..b"', f'{ADAPTER} "a..b"'),
    (
        '"asyncpg"',
        (
            f"unknown adapter 'asyncpg'; available: {ADAPTERS}, "
            "or the dotted name of an importable module"
        ),
    ),
    (
        '"asyncpg_pool.py"',
        (
            f"unknown adapter 'asyncpg_pool.py': no module 'asyncpg_pool' can be imported; "
            f"available without a dot: {ADAPTERS}"
        ),
    ),
    ('"os.path"', "adapter 'os.path': module os.path has no `Options`; see docs/adapters.md"),
]

WHOLE = [
    ("", "stack: is required"),
    (STACK, "group: is required"),
    (GROUP, "stack: is required"),
    ("stack = []\n" + GROUP, "stack: expected at least one [[stack]]"),
    ("group = []\n" + STACK, "group: expected at least one [[group]]"),
    ("stack = 1\n" + GROUP, "stack: expected tables that each begin with [[stack]], got 1"),
    (
        "[stack]\na = 1\n" + GROUP,
        "stack: expected tables that each begin with [[stack]], got {'a': 1}",
    ),
    (
        "[group]\na = 1\n" + STACK,
        "group: expected tables that each begin with [[group]], got {'a': 1}",
    ),
    ("group = [1]\n" + STACK, "group[0]: expected a table, got 1"),
    ("run = 1\n" + STACK + GROUP, "run: expected a table, got 1"),
    (
        "runs = 1\n" + STACK + GROUP,
        "runs: unknown key 'runs'; did you mean 'run'? known: claim, database, group, run, stack",
    ),
    (STACK + STACK + GROUP, "stack[1].name: a second stack is called 'a'"),
    *(
        (
            STACK + STACK.replace('"a"', f'"{name}"') + GROUP,
            (
                f"stack[1].name: '{name}' is what a ceiling beside the stacks is called; "
                "choose another name"
            ),
        )
        for name in ("noop", "pgbench")
    ),
    (STACK + GROUP + GROUP, "group[1].name: a second group is called 'g'"),
    (STACK + GROUP.replace('"g"', '"é"'), f'group[0].name: {NAME} "é"'),
    (STACK + GROUP.replace('"g"', '"a b"'), f'group[0].name: {NAME} "a b"'),
    (STACK + GROUP.replace('"g"', f'"{"n" * 49}"'), f'group[0].name: {NAME} "{"n" * 49}"'),
    (STACK + GROUP.replace('"g"', '"g\\n"'), f'group[0].name: {NAME} "g\\n"'),
    (STACK + GROUP.replace('name = "g"', ""), "group[0].name: is required"),
    (STACK + '[[group]]\nname = "g"', "group[0].endpoint: is required"),
    (
        STACK + GROUP.replace("users_get", "users_gte"),
        (
            "group[0].endpoint[0]: expected one of "
            'users_get, users_list, users_insert, books_list, got "users_gte"'
        ),
    ),
    (
        STACK + GROUP.replace('["users_get"]', '"users_get"'),
        'group[0].endpoint: expected a list of endpoints, got "users_get"',
    ),
    (
        STACK + STACK.replace('"a"', '"b"') + 'lane = "matched"\n' + GROUP,
        (
            "group[0].stacks: holds stacks of both lanes, which do different work; "
            "name those of one lane, or set mixed_lanes = true"
        ),
    ),
    (
        "a = " + "[" * 100 + "]" * 100 + "\n" + STACK + GROUP,
        "a" + "[0]" * 8 + ": nothing in a matrix lies this deep",
    ),
]


@pytest.mark.parametrize(("line", "said"), RUN)
def test_a_mistake_in_run_is_one_line_with_its_key_path(line: str, said: str) -> None:
    assert message(f"[run]\n{line}\n{STACK}{GROUP}") == f"run.{said}"


@pytest.mark.parametrize(("line", "said"), DATABASE)
def test_a_mistake_in_database_is_one_line_with_its_key_path(line: str, said: str) -> None:
    assert message(f"[database]\n{line}\n{STACK}{GROUP}") == f"database.{said}"


@pytest.mark.parametrize(("line", "said"), GROUPS)
def test_a_mistake_in_a_group_is_one_line_with_its_key_path(line: str, said: str) -> None:
    second = GROUP.replace('"g"', '"h"')
    assert message(f"{STACK}{GROUP}{second}{line}\n") == f"group[1].{said}"


@pytest.mark.parametrize(("line", "said"), STACKS)
def test_a_mistake_in_a_stack_is_one_line_with_its_key_path(line: str, said: str) -> None:
    assert message(f"{STACK}{line}\n{GROUP}") == f"stack[0].{said}"


@pytest.mark.parametrize(("adapter", "said"), ADAPTER_NAMES)
def test_an_adapter_that_cannot_be_one_is_named(adapter: str, said: str) -> None:
    assert (
        message(f'[[stack]]\nname = "a"\nadapter = {adapter}\n{GROUP}')
        == f"stack[0].adapter: {said}"
    )


@pytest.mark.parametrize(("toml", "said"), WHOLE)
def test_a_matrix_that_lacks_or_repeats_a_part_is_refused(toml: str, said: str) -> None:
    assert message(toml) == said


def test_a_misspelt_key_is_named_before_what_it_caused() -> None:
    toml = STACK + '[[group]]\nnam = "g"\nendpoint = ["users_get"]\n'
    assert message(toml).startswith("group[0].nam: unknown key 'nam'; did you mean 'name'?")


ANYTHING = st.recursive(
    st.one_of(
        st.none().map(lambda _: "users_get"),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.dates(),
        st.datetimes(),
        st.times(),
        st.sampled_from(["1s", "100ms", "base", "asyncpg_pool", "matched", "auto", "users_list"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = {
    "run": [*RUN_KEYS.split(", ")],
    "database": ["dsn", "users", "books", "settings"],
    "stack": ["name", "adapter", "lane", "options"],
    "group": ["name", "endpoint", "stacks", "baseline", "mixed_lanes", "concurrency", "limit"],
}


@settings(max_examples=150)
@given(st.data())
def test_whatever_a_key_holds_it_is_read_or_refused_in_one_line(data: st.DataObject) -> None:
    section = data.draw(st.sampled_from(sorted(KEYS)))
    name = data.draw(st.one_of(st.sampled_from(KEYS[section]), st.text(max_size=5)))
    value = data.draw(ANYTHING)
    document = a_document()
    held: Any = document.setdefault(section, {})
    (held[0] if isinstance(held, list) else held)[name] = value
    said = refusal(document)
    assert said is None or said.startswith((section, "group["))
    assert said is None or "\n" not in said


@settings(max_examples=60)
@given(st.sampled_from(["run", "database", "stack", "group", "x"]), ANYTHING)
def test_whatever_a_section_is_it_is_read_or_refused_in_one_line(name: str, value: object) -> None:
    said = refusal(a_document(**{name: value}))
    assert said is None or said.startswith(name)
    assert said is None or "\n" not in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"[run\n",
            "not valid TOML: Expected ']' at the end of a table declaration (at line 1, column 5)",
        ),
        (b"\xff\xfe", "not UTF-8 text; a matrix is a TOML file"),
    ],
)
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "m.toml"
    path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        read(path)
    assert str(caught.value) == f"{path}: {said}"


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 5000])
def test_toml_that_python_will_not_read_is_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "m.toml"
    path.write_text(f"a = {value}")
    with pytest.raises(BadInput, match=r"m\.toml: not valid TOML: .+"):
        read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.toml: cannot be read: No such file or directory"):
        read(tmp_path / "none.toml")


def test_a_file_whose_name_is_no_folders_name_needs_a_run_name(tmp_path: Path) -> None:
    path = tmp_path / "my matrix.toml"
    path.write_text(STACK + GROUP)
    with pytest.raises(BadInput) as caught:
        read(path)
    assert str(caught.value) == (
        "run.name: results cannot go into a folder called 'my matrix'; "
        "give a name of letters, digits and . _ + -"
    )
