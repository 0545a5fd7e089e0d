"""Records as CSV and back, and the digits that are shown."""

import csv
import math
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.columns import columns, values
from harness.errors import BadInput
from harness.model import (
    ERROR_CLASSES,
    Capacity,
    CapacityLimit,
    Comparison,
    Cost,
    Distance,
    Endpoint,
    Errors,
    Key,
    Lane,
    Latency,
    Machine,
    Observation,
    OpenLoop,
    OpenLoopBlock,
    Outcome,
    Schedule,
    Summary,
    Work,
)
from harness.results import parsing, tables
from harness.stats import summarise
from tests.factories import a_key, an_observation, blocks

# The contract, word for word: other programs read these.
KEY = (
    "group, endpoint, stack, adapter, lane, limit, concurrency, rate, pool_size, workers, rtt_ms, "
    "options"
)
CELLS = (
    f"{KEY}, blocks, requests, rps, rps_lo, rps_hi, p50_ms, p90_ms, p95_ms, p99_ms, max_ms, "
    "errors, error_pct, err_pool_timeout, err_too_many_clients, err_database, err_app, "
    "err_timeout, err_connect, err_reset, err_body, app_cpu_us, db_cpu_us, load_cpu_us, "
    "rss_idle_mib, rss_end_mib, rss_peak_mib, pss_end_mib, db_pss_mib, connections, "
    "littles_law, outcome, flags, offered_rps, service_p50_ms, service_p99_ms, "
    "schedule_lag_p99_ms, late, dropped, capacity_rps, capacity_rps_lo, capacity_rps_hi, "
    "capacity_concurrency, capacity_limit, rtt_measured_ms, rtt_loaded_ms, round_trips, "
    "via_cpu_us, connections_active, connections_idle, connections_idle_in_transaction, "
    "last_statement, pool_wait_mean_ms, pool_wait_p99_ms, worker_split, rss_per_worker, "
    "rss_quiet_mib, rss_growth_kib_per_1000, rss_growth_lo, rss_growth_hi"
)
PAIRS = f"{KEY}, baseline, metric, ratio, lo, hi, verdict, flags"


def test_the_columns_of_cells_are_the_contracts() -> None:
    assert ", ".join(columns(Summary)) == CELLS


def test_the_columns_of_pairs_are_the_contracts() -> None:
    assert ", ".join(columns(Comparison)) == PAIRS


def test_blocks_hold_the_cells_columns_but_for_what_only_many_blocks_have() -> None:
    only_many = {"blocks", "rps_lo", "rps_hi", "errors", "error_pct"}
    only_many |= {"capacity_rps_lo", "capacity_rps_hi"}
    assert set(CELLS.split(", ")) - only_many <= set(columns(Observation))


def test_no_column_stands_twice() -> None:
    for kind in (Observation, Summary, Comparison):
        names = columns(kind)
        assert len(set(names)) == len(names)


NUMBER = st.none() | st.floats(allow_nan=False, allow_infinity=False)
COUNT = st.integers(0, 10**12)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
TEXT = ANY_TEXT.map(lambda text: " ".join(text.split()))  # as `unmeasured` and the checks make it
NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,20}", fullmatch=True)

KEYS = st.builds(
    Key,
    group=NAME,
    endpoint=st.sampled_from(get_args(Endpoint)),
    stack=NAME,
    adapter=NAME,
    lane=st.sampled_from(get_args(Lane)),
    limit=st.none() | COUNT,
    concurrency=COUNT,
    rate=NUMBER,
    pool_size=COUNT,
    workers=COUNT,
    rtt_ms=st.floats(0, 1e4),
    options=TEXT,
)
OBSERVATIONS = st.builds(
    Observation,
    key=KEYS,
    block=COUNT,
    schedule=st.sampled_from(get_args(Schedule)),
    slices=COUNT,
    slice_ms=NUMBER,
    window_s=NUMBER,
    requests=COUNT,
    rps=NUMBER,
    mean_ms=NUMBER,
    latency=st.builds(Latency, *[NUMBER] * 5),
    by_class=st.builds(Errors, *[COUNT] * len(ERROR_CLASSES)),
    cost=st.builds(Cost, *[NUMBER] * 8, st.none() | COUNT),
    littles_law=NUMBER,
    drift=NUMBER,
    generator_busy=NUMBER,
    lag_p99_ms=NUMBER,
    outcome=st.sampled_from(get_args(Outcome)),
    flags=TEXT,
    reason=TEXT,
    first_errors=TEXT,
    latencies=TEXT,
    machine=st.builds(Machine, *[NUMBER] * 7),
    work=st.builds(Work, *[NUMBER] * 5),
    open_loop=st.builds(
        OpenLoopBlock,
        st.builds(OpenLoop, *[NUMBER] * 4, *[st.none() | COUNT] * 2),
        TEXT,
        TEXT,
    ),
    capacity=st.builds(
        Capacity, NUMBER, st.none() | COUNT, st.sampled_from(get_args(CapacityLimit)), TEXT
    ),
    generators=st.none() | COUNT,
    distance=st.builds(Distance, NUMBER, NUMBER),
)


def written(rows: list[Observation]) -> str:
    return tables.table(Observation, [values(row) for row in rows])


def read_back(text: str) -> list[Observation]:
    return parsing.parse(Observation, text, "blocks.csv")


@settings(max_examples=40)
@given(st.lists(OBSERVATIONS, max_size=3))
def test_what_was_read_is_written_as_it_was(rows: list[Observation]) -> None:
    text = written(rows)
    once = read_back(text)
    assert len(once) == len(rows)
    assert written(once) == text
    assert read_back(written(once)) == once


@settings(max_examples=30)
@given(OBSERVATIONS)
def test_reading_changes_nothing_but_the_seventh_digit(row: Observation) -> None:
    (again,) = read_back(written([row]))
    for before, after in zip(values(row), values(again), strict=True):
        same = before == after
        assert same or (isinstance(before, float) and after == pytest.approx(before, rel=1e-5))


@settings(max_examples=30)
@given(st.lists(OBSERVATIONS, min_size=2, max_size=3), st.integers(1))
def test_a_last_line_torn_by_a_crash_is_left_out(rows: list[Observation], cut: int) -> None:
    text = written(rows)
    last = len(tables.lines([values(rows[-1])]))
    torn = text[: len(text) - 1 - cut % (last - 1)]
    assert read_back(torn) == read_back(text)[:-1]


@settings(max_examples=20)
@given(st.lists(OBSERVATIONS, max_size=3))
def test_lines_that_are_read_together_are_what_each_is_alone(rows: list[Observation]) -> None:
    heading, *lines = written(rows).splitlines(keepends=True)
    alone = [read_back(heading + line) for line in lines]
    assert [[each] for each in read_back(written(rows))] == alone


def test_every_line_of_a_long_file_is_read_and_its_damage_named_by_its_number() -> None:
    heading, line = row_text().splitlines(keepends=True)
    lines = [line] * (2 * parsing.TOGETHER + 10)
    lines[parsing.TOGETHER + 5] = "g,1\n"
    lines[-1] = line.rstrip("\n")
    found = list(parsing.scan(Observation, Observation, [heading, *lines], "x"))
    damaged = {at: each for at, each in enumerate(found) if isinstance(each, parsing.Damaged)}
    assert len(found) == len(lines)
    assert damaged == {
        parsing.TOGETHER + 5: parsing.Damaged(
            parsing.TOGETHER + 7, f"expected {COLUMNS} fields, got 2"
        ),
        len(lines) - 1: parsing.Damaged(len(lines) + 1, parsing.UNFINISHED),
    }


def test_a_stray_quote_spoils_its_own_line_alone() -> None:
    heading, line = row_text().splitlines(keepends=True)
    lines = [heading, line, f'"{line}', line, f'{line[:-2]}"\n', line]
    found = list(parsing.scan(Observation, Observation, lines, "x"))
    assert [isinstance(each, Observation) for each in found] == [True, False, True, False, True]


@given(st.lists(st.text('a, "1', min_size=1, max_size=20), min_size=1, max_size=3))
def test_fields_are_those_that_the_standard_library_finds(texts: list[str]) -> None:
    lines = [f"{text}\n" for text in texts]
    wanted = list(csv.reader(lines))
    if len(wanted) == len(lines):
        assert parsing._split(lines) == wanted
    else:
        with pytest.raises(ValueError, match="a quote has no end"):
            parsing._split(lines)


NUMERALS = st.one_of(
    st.floats(width=32).map(lambda value: f"{value:.6g}"),
    st.integers().map(str),
    st.sampled_from(["-0", "1e999", "01", "+1", ".5", " 1", "1_0", "true", "null", "[1", "2]", ""]),
)


@given(st.lists(NUMERALS, min_size=1, max_size=4), st.sampled_from([int, float]))
def test_numbers_are_those_that_the_language_reads(texts: list[str], kind: type[float]) -> None:
    try:
        wanted = list(map(kind, texts))
    except ValueError:
        with pytest.raises(ValueError, match="expected a number"):
            parsing._numbers(kind, texts)
    else:
        assert repr(parsing._numbers(kind, texts)) == repr(wanted)


def row_text() -> str:
    return written([an_observation()])


COLUMNS = len(columns(Observation))


def swapped(before: str, after: str) -> str:
    text = row_text()
    assert before in text
    return text.replace(before, after)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (row_text() + "g,1\n", f"line 3: expected {COLUMNS} fields, got 2"),
        (swapped(",1000,16,", ",x,16,"), "line 2: rps: expected a number, got 'x'"),
        (swapped(",1000,16,", ",nan,16,"), "line 2: rps: expected a finite number, got 'nan'"),
        (swapped(",1000,16,", ",inf,16,"), "line 2: rps: expected a finite number, got 'inf'"),
        (swapped(",2000,", ",2e3,"), "line 2: requests: expected a number, got '2e3'"),
        (swapped(",2000,", ",,"), "line 2: requests: expected a number, got ''"),
        (
            swapped(",users_get,", ",users,"),
            "line 2: endpoint: 'users' is none of users_get, users_list, users_insert, books_list",
        ),
        (row_text() + "x" * 200_000 + "\n", f"line 3: expected {COLUMNS} fields, got 1"),
    ],
)
def test_a_damaged_file_is_refused_by_its_line(text: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_back(text)
    assert str(caught.value) == f"blocks.csv: {said}"


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("", "without group, "),
        ("a,b\n1,2\n", "without group, "),
        (row_text().replace("group,endpoint", "endpoint,group"), "in another order"),
        (row_text().replace(",parts\n", ",parts,more\n"), "with more"),
    ],
)
def test_a_table_of_other_columns_is_refused(text: str, how: str) -> None:
    said = "blocks.csv: its columns are not those of this version of the harness ("
    with pytest.raises(BadInput) as caught:
        read_back(text)
    assert str(caught.value).startswith(said + how)


def test_windows_line_ends_are_read_too() -> None:
    assert read_back(row_text().replace("\n", "\r\n")) == read_back(row_text())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_never_written(value: float) -> None:
    with pytest.raises(AssertionError):
        written([an_observation(rps=value)])


# Digits


@pytest.mark.parametrize(
    ("value", "lo", "hi", "shown"),
    [
        (1234.5678, 1230.0, 1239.0, ["1234.6", "1230", "1239"]),
        (1234.5678, 1200.0, 1270.0, ["1235", "1200", "1270"]),
        (123456.0, 120000.0, 127000.0, ["123500", "120000", "127000"]),
        (0.0123456, 0.0122, 0.0125, ["0.01235", "0.0122", "0.0125"]),
        (1234.5678, None, None, ["1230", "", ""]),
        (0.0, None, None, ["0", "", ""]),
        (None, None, None, ["", "", ""]),
        (1234.5678, 1234.5678, 1234.5678, ["1230", "1230", "1230"]),
        (560.0000000000003, 560.0, 560.0000000000009, ["560", "560", "560"]),
        # Wider than the number itself: two blocks of a noisy machine.
        (1000.0, 1.7, 572000.0, ["1000", "1.7", "572000"]),
    ],
)
def test_rates_have_the_digits_their_interval_supports(
    value: float | None, lo: float | None, hi: float | None, shown: list[str]
) -> None:
    summary = replace(summarise([an_observation()]), rps=value, rps_lo=lo, rps_hi=hi)
    row = tables.lines([tables.summary_row(summary)]).strip().split(",")
    assert row[14:17] == shown


@pytest.mark.parametrize(
    ("ratio", "lo", "hi", "shown"),
    [
        (1.23456, 1.2201, 1.2489, ["1.235", "1.22", "1.249"]),
        (1.23456, 0.9, 1.6, ["1.23", "0.9", "1.6"]),
        (1.23456, 0.004, 380.0, ["1.2", "0.004", "380"]),
        (1.23456, None, None, ["1.23", "", ""]),
        (None, None, None, ["", "", ""]),
    ],
)
def test_ratios_have_the_digits_their_interval_supports(
    ratio: float | None, lo: float | None, hi: float | None, shown: list[str]
) -> None:
    pair = Comparison(a_key(), "base", "rps", ratio, lo, hi, "", "")
    assert tables.lines([tables.comparison_row(pair)]).strip().split(",")[14:17] == shown


@given(st.floats(1e-3, 1e6), st.floats(0, 20), st.floats(0, 20), st.sampled_from(tables.RATES))
def test_a_number_that_was_measured_never_reads_zero(
    mean: float, below: float, above: float, name: str
) -> None:
    lo, hi = mean * math.exp(-below), mean * math.exp(above)
    interval = {"rps": mean, "rps_lo": lo, "rps_hi": hi}
    summary = replace(summarise([an_observation()]), rps=mean, rps_lo=lo, rps_hi=hi)
    row = dict(zip(columns(Summary), tables.summary_row(summary), strict=True))
    assert row[name] == pytest.approx(interval[name], rel=0.051)


def test_the_key_of_a_cell_is_never_rounded() -> None:
    key = a_key(rtt_ms=12.345, rate=1234.5)
    summary = summarise(blocks([100.0], key))
    assert tables.summary_row(summary)[: len(columns(Key))] == values(key)


def test_the_rest_has_three_digits() -> None:
    summary = replace(summarise([an_observation()]), littles_law=0.98765, error_pct=12.3456)
    row = dict(zip(columns(Summary), tables.summary_row(summary), strict=True))
    assert (row["littles_law"], row["error_pct"], row["app_cpu_us"]) == (0.988, 12.3, 400)
    assert (row["requests"], row["blocks"]) == (2000, 1)
