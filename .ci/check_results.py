"""Judge a quick run by what does not depend on the machine: `check_results.py MATRIX FOLDER`.

CI runs on whatever is there, beside whatever else runs there. How fast, how sure and
which verdict are the machine's business, and so is a cell that the checks threw out
because the machine was too busy: none of these may fail a change. What must hold on
any machine is the bookkeeping: every cell was measured, no request failed, every
column that applies is filled, and the tables follow from `blocks.csv` byte for byte.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from harness import matrix, plan
from harness.columns import columns, values
from harness.matrix import Matrix
from harness.model import ERROR_CLASSES, Key, Observation, Summary
from harness.results import parsing, store

FILES = {
    *("blocks.csv", "cells.csv", "env.json", "matrix.toml", "pairs.csv"),
    *("report.html", "report.md"),
}

BY_NOISE = frozenset({"littles_law", "generator", "lag", "window"})
"""Reasons for an invalid block that a busy machine explains. A wrong answer is not one."""

MAY_BE_EMPTY = frozenset(
    {
        "limit",  # only the list endpoints have one
        "rate",  # only open-loop load has one
        "rps_lo",  # no interval from one block
        "rps_hi",
        "p99_ms",  # not under a thousand requests a block
        "offered_rps",  # these only an open loop has
        "service_p50_ms",
        "service_p99_ms",
        "schedule_lag_p99_ms",
        "late",
        "dropped",
        "capacity_rps",  # only groups with an SLO have one
        "capacity_rps_lo",
        "capacity_rps_hi",
        "capacity_concurrency",
        "rtt_measured_ms",  # only groups with an rtt have one
        "rtt_loaded_ms",
        "via_cpu_us",  # only stacks with a via have one
        "rss_quiet_mib",  # only groups with quiet or rounds have these
        "rss_growth_kib_per_1000",
        "rss_growth_lo",
        "rss_growth_hi",
    }
)

WAITS = {"pool_wait_mean_ms", "pool_wait_p99_ms"}
STATES = {"connections_active", "connections_idle", "connections_idle_in_transaction"}

DO_NOT_APPLY = {
    "noop": {"db_cpu_us", "db_pss_mib", "connections", "round_trips", *STATES, *WAITS},
    "pgbench": {
        *("app_cpu_us", "rss_idle_mib", "rss_end_mib", "rss_peak_mib", "pss_end_mib"),
        *("db_pss_mib", "littles_law", "round_trips", *WAITS),
    },
}
"""Columns that a ceiling leaves empty: one has no database, the other no app."""


def complaints(expected: Matrix, folder: Path) -> Iterator[str]:
    """Yield a line for everything wrong with the results of `expected` in `folder`."""
    names = {path.name for path in folder.iterdir()}
    yield from (f"{name}: missing" for name in sorted(FILES - names))
    yield from (f"{name}: left half-written" for name in sorted(names) if name.startswith("."))
    if names >= FILES:
        summaries = read_cells(folder)
        yield from _planned(expected, summaries)
        yield from _blocks(store.read(folder))
        for summary in summaries:
            yield from _cell(summary)


def read_cells(folder: Path) -> list[Summary]:
    """Return the rows of `cells.csv`; columns or values that are not the format's raise."""
    text = (folder / "cells.csv").read_text(encoding="utf-8")
    return parsing.parse(Summary, text, "cells.csv") if text.endswith("\n") else []


def _planned(expected: Matrix, summaries: list[Summary]) -> Iterator[str]:
    """Compare the cells that are there with those of the plan."""
    planned = Counter([*plan.cells(expected), *plan.ceilings(expected)])
    there = Counter(summary.key for summary in summaries)
    for key in (planned - there) | (there - planned):
        yield f"{_name(key)}: {there[key]} rows in cells.csv, expected {planned[key]}"


def _name(key: Key) -> str:
    return f"{key.group} {key.endpoint} {key.stack}"


def _blocks(observations: list[Observation]) -> Iterator[str]:
    for row in observations:
        if row.outcome not in ("ok", "invalid") or not _noise(row.reason):
            yield f"{_name(row.key)}, block {row.block}: {row.outcome}: {row.reason}"


def _noise(reason: str) -> bool:
    return set(filter(None, reason.split("; "))) <= BY_NOISE


def _cell(summary: Summary) -> Iterator[str]:
    for name in ERROR_CLASSES:
        if failed := getattr(summary.by_class, f"err_{name}"):
            yield f"{_name(summary.key)}: {failed} requests failed: {name}"
    row = dict(zip(columns(Summary), values(summary), strict=True))
    may_be_empty = MAY_BE_EMPTY | DO_NOT_APPLY.get(summary.key.stack, set())
    empty = [name for name, value in row.items() if value is None and name not in may_be_empty]
    if summary.outcome == "ok" and empty:
        yield f"{_name(summary.key)}: nothing in {', '.join(empty)}"


def unlike_its_blocks(folder: Path) -> list[str]:
    """Make the folder again from its `blocks.csv`; return the files that came out different."""
    before = _contents(folder)
    harness = [sys.executable, "-m", "harness"]
    subprocess.run([*harness, "report", str(folder)], check=True, stdout=subprocess.DEVNULL)
    after = _contents(folder)
    return sorted(path for path in before | after if before.get(path) != after.get(path))


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def main() -> int:
    """Print every complaint; 1 when there is one."""
    path, folder = Path(sys.argv[1]), Path(sys.argv[2])
    found = list(complaints(matrix.quick(matrix.read(path)), folder))
    if not found:
        found = [f"{name}: `report` writes it otherwise" for name in unlike_its_blocks(folder)]
    if not found:
        outcomes = Counter(summary.outcome for summary in read_cells(folder))
        print(", ".join(f"{count} cells {outcome}" for outcome, count in sorted(outcomes.items())))
    for each in found:
        print(each)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
