"""What a run found, in the formats of tools that keep benchmarks over time. Pure.

A cell without a number is left out, and so is a number that was not measured: nowhere is
there a zero for it. Ceilings are for orientation, and in no export.

Sources: https://bencher.dev/docs/reference/bencher-metric-format (a JSON object: benchmark,
measure, `value` with `lower_value` and `upper_value`), and the README of
https://github.com/benchmark-action/github-action-benchmark ("customBiggerIsBetter" and
"customSmallerIsBetter": a JSON list of `name`, `unit`, `value`, and `range` as text).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from harness import stats
from harness.columns import columns, values
from harness.findings import Findings
from harness.model import Key, Summary
from harness.naming import cell_name

UNITS: Mapping[str, str] = {
    "rps": "req/s",
    "p50_ms": "ms",
    "p99_ms": "ms",
    "app_cpu_us": "us",
    "db_cpu_us": "us",
    "rss_peak_mib": "MiB",
    "pss_end_mib": "MiB",
}
"""The columns of `cells.csv` that are exported; of these more is better of req/s alone."""

BIGGER_IS_BETTER = frozenset({"rps", "rps_ratio"})


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of one cell; `lo` and `hi` are its 95 % interval, where it has one."""

    cell: str
    name: str
    unit: str
    value: float
    lo: float | None = None
    hi: float | None = None


def bmf(found: Findings) -> str:
    """Return Bencher Metric Format: every measure of every cell, with its interval."""
    document: dict[str, dict[str, dict[str, float]]] = {}
    for each in measures(found):
        bounds = {"lower_value": each.lo, "upper_value": each.hi}
        known = {name: _rounded(value) for name, value in bounds.items() if value is not None}
        document.setdefault(each.cell, {})[each.name] = {"value": _rounded(each.value), **known}
    return _json(document)


def bigger_is_better(found: Findings) -> str:
    """Return what github-action-benchmark takes as "customBiggerIsBetter"."""
    return _json([_bench(each) for each in measures(found) if each.name in BIGGER_IS_BETTER])


def smaller_is_better(found: Findings) -> str:
    """Return what github-action-benchmark takes as "customSmallerIsBetter"."""
    return _json([_bench(each) for each in measures(found) if each.name not in BIGGER_IS_BETTER])


def measures(found: Findings) -> Iterator[Measure]:
    """Yield every number of the cells that have one, in the order of the matrix."""
    for key, summary in found.summaries.items():
        if summary.outcome == "ok":
            yield from _absolutes(cell_name(key), summary)
            yield from _ratios(cell_name(key), key, found)


def _absolutes(cell: str, summary: Summary) -> Iterator[Measure]:
    row = dict(zip(columns(Summary), values(summary), strict=True))
    for name, unit in UNITS.items():
        if row[name] is not None:
            yield Measure(cell, name, unit, row[name], row.get(f"{name}_lo"), row.get(f"{name}_hi"))


def _ratios(cell: str, key: Key, found: Findings) -> Iterator[Measure]:
    """Yield the ratios to the baseline: they compare from machine to machine."""
    for metric in stats.metrics(key.setting):
        pair = found.comparisons.get((key, metric))
        if pair is not None and pair.ratio is not None:
            unit = f"x {pair.baseline}"
            yield Measure(cell, f"{metric}_ratio", unit, pair.ratio, pair.lo, pair.hi)


def _bench(each: Measure) -> dict[str, Any]:
    bench = {
        "name": f"{each.cell} {each.name}",
        "unit": each.unit,
        "value": _rounded(each.value),
    }
    if each.lo is not None and each.hi is not None:
        bench["range"] = f"{_rounded(each.lo):g} to {_rounded(each.hi):g}"
    return bench


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def _json(document: Any) -> str:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


EXPORTS: Mapping[str, Callable[[Findings], str]] = {
    "bmf": bmf,
    "github-action-benchmark": bigger_is_better,
    "github-action-benchmark-smaller": smaller_is_better,
}
"""The formats by the names that `report --export` takes."""
