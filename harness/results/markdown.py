"""Findings -> `report.md`. Pure: the same findings give the same bytes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness import stats
from harness.ceilings import SHARE
from harness.duration import format_duration
from harness.findings import Findings, ratio_text, sentences, setting_text
from harness.matrix import Matrix
from harness.model import Comparison, Setting, Summary
from harness.results import ceilings
from harness.results.tables import round_to, supported_places
from harness.thresholds import CONFIDENCE, SAME_WITHIN

HEADINGS = (
    "stack",
    "req/s",
    "against baseline",
    "verdict",
    "p50 ms",
    "p99 ms",
    "app CPU us",
    "db CPU us",
    "RSS MiB",
    "errors",
    "doubts",
)
DASH = "-"


def report(matrix: Matrix, found: Findings, environment: Mapping[str, Any]) -> str:
    """Return the whole report."""
    parts = [
        f"# {matrix.name}",
        "\n".join(f"- {sentence}" for sentence in sentences(found)),
        *(_setting(found, setting) for setting in found.settings),
        *_errors(found),
        *_without_number(found),
        _method(matrix),
        _environment(environment),
    ]
    return "\n\n".join(parts) + "\n"


def results_table(found: Findings, setting: Setting) -> str:
    """Return the Markdown table of one setting: a row a stack, fastest first, then ceilings."""
    stacks = sorted(found.of(setting), key=lambda each: 1.0 if each.rps is None else -each.rps)
    rows = [_row(found, each) for each in stacks]
    limits = found.ceilings_of(setting)
    if not limits:
        return _table(HEADINGS, rows)
    rows = ceilings.with_shares(found, setting, stacks, rows)
    rows += [ceilings.set_apart(_row(found, each)) for each in limits]
    return _table(
        (*HEADINGS[: ceilings.PLACE], ceilings.HEADING, *HEADINGS[ceilings.PLACE :]), rows
    )


def _setting(found: Findings, setting: Setting) -> str:
    baseline = found.baselines.get(setting)
    facts = [
        f"{setting.concurrency} connections",
        f"pool of {setting.pool_size}",
        f"{setting.workers} worker{'s' * (setting.workers > 1)}",
    ]
    if setting.limit is not None:
        facts.insert(0, f"{setting.limit} rows")
    if baseline:
        facts.append(f"baseline {baseline}")
    title = setting_text(setting, found.settings)
    return f"## {title}\n\n{', '.join(facts)}\n\n{results_table(found, setting)}"


def _row(found: Findings, cell: Summary) -> list[str]:
    pair = found.comparisons.get((cell.key, "rps"))
    alone = DASH if found.baselines.get(cell.key.setting) is None else "baseline"
    if cell.outcome != "ok":
        return [cell.key.stack, cell.outcome, *[DASH] * 8, _escaped(cell.flags)]
    return [
        cell.key.stack,
        rate_text(cell),
        _ratio(pair) if pair else alone,
        verdict_text(pair, cell.blocks) if pair else "",
        _number(cell.latency.p50_ms),
        _number(cell.latency.p99_ms),
        _number(cell.cost.app_cpu_us),
        _number(cell.cost.db_cpu_us),
        _number(cell.cost.rss_end_mib),
        f"{cell.error_pct:.3g} %" if cell.errors and cell.error_pct else "0",
        _escaped(cell.flags),
    ]


def rate_text(cell: Summary) -> str:
    """Return req/s to the digits its interval supports, with half its width in per cent."""
    places = supported_places(cell.rps, cell.rps_lo, cell.rps_hi)
    rate = round_to(cell.rps, places)
    if rate is None:
        return DASH
    text = f"{rate:,}"
    if cell.rps and cell.rps_lo is not None and cell.rps_hi is not None:
        text += f" {_spread(50 * (cell.rps_hi - cell.rps_lo) / cell.rps)}"
    return text


def _spread(half_pct: float) -> str:
    """Return half an interval's width to two digits; past 100 % it says nothing more."""
    if half_pct > 100:
        return "±>100 %"
    return f"±{half_pct:.0f} %" if half_pct >= 10 else f"±{half_pct:.2g} %"


def _ratio(pair: Comparison) -> str:
    return DASH if pair.ratio is None else ratio_text(pair.ratio, pair.lo, pair.hi)


def verdict_text(pair: Comparison, blocks: int) -> str:
    """Return the verdict; for an unclear one also how many more blocks it would likely take."""
    if pair.verdict != "unclear" or pair.ratio is None:
        return pair.verdict
    more = stats.blocks_to_go(stats.Interval(pair.ratio, pair.lo, pair.hi, blocks))
    return f"unclear ({more} more blocks)"


def _errors(found: Findings) -> list[str]:
    rows = [
        [
            setting_text(key.setting, found.settings),
            key.stack,
            name,
            str(getattr(found.summaries[key].by_class, f"err_{name}")),
            _escaped(message),
        ]
        for key, messages in found.first_errors.items()
        for name, message in sorted(messages.items())
    ]
    if not rows:
        return []
    return [
        "## Errors\n\n" + _table(("setting", "stack", "class", "requests", "first message"), rows)
    ]


def _without_number(found: Findings) -> list[str]:
    bad = [cell for cell in found.summaries.values() if cell.outcome != "ok"]
    if not bad:
        return []
    lines = [
        f"- {setting_text(cell.key.setting, found.settings)}, {cell.key.stack}: "
        f"{cell.outcome}. {_escaped(cell.flags)}"
        for cell in bad
    ]
    return ["## Cells without a number\n\n" + "\n".join(lines)]


def _method(matrix: Matrix) -> str:
    run = matrix.run
    alone = (
        "One server is up at a time."
        if run.schedule == "sequential"
        else "All stacks of a setting are up at once, and load goes to one of them at a time, in "
        f"slices of {format_duration(run.slice)} or 20 median latencies in random order, so "
        "that what slows the machine slows them all."
    )
    return (
        "## How these numbers were made\n\n"
        f"{alone} A block is fresh server processes, warmed for {format_duration(run.warmup)} "
        f"and measured for {format_duration(run.measure)} a stack; blocks, not seconds, are the "
        f"sample. Intervals are {CONFIDENCE:.0%} confidence intervals over blocks (t, on logs); "
        "ratios are made within a block, then averaged. "
        f"A verdict needs {run.min_blocks} blocks: `faster` and `slower` mean the interval lies "
        f"beyond {SAME_WITHIN:.0%}, with Holm's correction within a setting, `tie` that it lies "
        "within. Load is closed-loop: each connection sends its next request when the last is "
        "answered, so req/s is capacity at that concurrency, and latency is that of a server "
        "kept busy. CPU is per good answer."
    ) + _ceilings(matrix)


def _ceilings(matrix: Matrix) -> str:
    if not matrix.run.ceilings:
        return ""
    return (
        " Two ceilings stand below the stacks and are none of them: `noop` is the same server "
        "asked for nothing that needs a database, `pgbench` the database's own tool doing the "
        f"endpoint's SQL over as many connections as a pool has. Each had {SHARE:.0%} of a "
        "stack's load, in the same slices."
    )


def _environment(environment: Mapping[str, Any]) -> str:
    machine, cpu = environment["machine"], environment["cpu"]
    database, packages = environment["database"], environment["packages"]
    settings = ", ".join(f"{name} {value}" for name, value in sorted(database["settings"].items()))
    affinity = ", ".join(
        f"{part} on {' '.join(map(str, cpus))}" if cpus is not None else f"{part} anywhere"
        for part, cpus in sorted(environment["affinity"].items())
    )
    rows = [
        ("CPU", f"{cpu['count']} x {cpu['model']}"),
        ("affinity", affinity),
        ("memory", f"{machine['memory_gib']} GiB"),
        ("system", f"{machine['system']} {machine['kernel']} {machine['arch']}"),
        ("Python", environment["python"]),
        ("Postgres", f"{database['version']}{' (embedded)' * database['embedded']}: {settings}"),
        ("packages", ", ".join(f"{name} {version}" for name, version in sorted(packages.items()))),
    ]
    return "## Environment\n\n" + _table(("", ""), ((name, _escaped(said)) for name, said in rows))


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(headings) + " |", "|" + " --- |" * len(headings)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    if value is None:
        return DASH
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _escaped(text: str) -> str:
    """One line, no HTML, no new column: a message is whatever a database or a driver said."""
    line = " ".join(text.split())
    return line.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
