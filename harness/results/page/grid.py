"""All cells as one table that a browser sorts and filters. Pure.

A value is a number or text as it is shown; where what is shown is more than the number to
sort by, `[number, text]`.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.columns import columns as columns_of
from harness.findings import Findings
from harness.model import Key, Metric, Summary
from harness.results import capacity, tables
from harness.sentences import ratio_text

NAMES: Mapping[str, str] = {
    "pool_size": "pool",
    "rate": "rate, req/s",
    "rtt_ms": "round trip, ms",
}
"""Of key columns whose heading is not their name."""

METRIC_HEADINGS: Mapping[Metric, tuple[str, str]] = {
    "rps": ("req/s against baseline", "verdict"),
    "p99_ms": ("p99 against baseline", "p99 verdict"),
}
"""Of the metrics that cells are judged by: the first in a closed loop, the other in an open one."""


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and what its values are: part of the `key` (to filter by), numbers, or text."""

    heading: str
    kind: Literal["key", "number", "text"]
    value: Callable[[Summary], Any]


def columns(found: Findings) -> list[Column]:
    """Return the columns: the stack, what tells cells apart, then what was measured."""
    return [
        *(Column(NAMES.get(name, name), "key", _part(name)) for name in _telling(found)),
        Column("req/s", "number", _rate),
        *_against(found),
        _number("p50 ms", "latency.p50_ms"),
        _number("p99 ms", "latency.p99_ms"),
        _number("app CPU us", "cost.app_cpu_us"),
        _number("db CPU us", "cost.db_cpu_us"),
        _number("RSS peak MiB", "cost.rss_peak_mib"),
        _number("errors %", "error_pct"),
        Column("doubts", "text", lambda cell: _doubts(found, cell)),
    ]


def rows(found: Findings, shown: Sequence[Column]) -> list[list[Any]]:
    """Return the cells' values under `shown`: settings in their order, the fastest first."""
    order = {setting: at for at, setting in enumerate(found.settings)}
    cells = sorted(
        [*found.summaries.values(), *found.ceilings.values()],
        key=lambda each: (
            order[each.key.setting],
            each.key in found.ceilings,
            each.rps is None,
            -(each.rps or 0.0),
        ),
    )
    return [[column.value(cell) for column in shown] for cell in cells]


def _telling(found: Findings) -> list[str]:
    """Return the key columns that a cell is found by: endpoint, stack, and any other that differs.

    An adapter is left out, for its stack's name says more, and so is a limit that goes with
    the endpoint.
    """
    keys = list(found.summaries)
    names = [each for each in columns_of(Key) if each not in ("stack", "endpoint", "adapter")]
    differing = [
        name
        for name in names
        if len({(each.endpoint * (name == "limit"), getattr(each, name)) for each in keys})
        > (len({each.endpoint for each in keys}) if name == "limit" else 1)
    ]
    return ["stack", "endpoint", *differing]


def _part(name: str) -> Callable[[Summary], Any]:
    return lambda cell: getattr(cell.key, name)


def _number(heading: str, path: str) -> Column:
    """Return a column of what a summary has at `path`, as `cells.csv` has it."""
    get = operator.attrgetter(path)
    return Column(heading, "number", lambda cell: tables.significant(get(cell)))


def _rate(cell: Summary) -> Any:
    if cell.outcome != "ok" or cell.rps is None:
        return [None, cell.outcome]
    interval = (cell.rps, cell.rps_lo, cell.rps_hi)
    places = tables.supported_places(*interval)
    rate, low, high = (tables.round_to(each, places) for each in interval)
    between = "" if low is None or high is None else f" [{low:,}, {high:,}]"
    return [rate, f"{'at least ' * capacity.at_least(cell)}{rate:,}{between}"]


def _against(found: Findings) -> list[Column]:
    """Return two columns for each metric that cells are judged by: the ratio and its verdict."""
    used = {metric for _, metric in found.comparisons}
    return [
        column
        for metric, (heading, verdict) in METRIC_HEADINGS.items()
        if metric in used
        for column in (
            Column(heading, "number", _ratio(found, metric)),
            Column(verdict, "text", _verdict(found, metric)),
        )
    ]


def _ratio(found: Findings, metric: Metric) -> Callable[[Summary], Any]:
    def value(cell: Summary) -> Any:
        if cell.key in found.ceilings:
            return [None, "ceiling"]
        pair = found.comparisons.get((cell.key, metric))
        if pair is None:
            alone = found.primary(cell.key) is None
            is_baseline = found.baselines.get(cell.key.setting) == cell.key.stack
            return [1, "baseline"] if alone and is_baseline else None
        if pair.ratio is None:
            return None
        return [
            tables.round_to(pair.ratio, tables.supported_places(pair.ratio, pair.lo, pair.hi)),
            ratio_text(pair.ratio, pair.lo, pair.hi),
        ]

    return value


def _verdict(found: Findings, metric: Metric) -> Callable[[Summary], Any]:
    def value(cell: Summary) -> Any:
        pair = found.comparisons.get((cell.key, metric))
        return pair.verdict if pair and pair.verdict else None

    return value


def _doubts(found: Findings, cell: Summary) -> str | None:
    pair = found.primary(cell.key)
    joined = "; ".join(filter(None, (cell.flags, pair.flags if pair else "")))
    return " ".join(joined.split()) or None
