"""Findings -> `report.md`. Pure: the same findings give the same bytes."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness import noises, stats
from harness.ceilings import SHARE
from harness.duration import format_duration
from harness.findings import Findings, ratio_text, sentences, setting_text
from harness.matrix import Matrix
from harness.model import Comparison, Metric, Setting, Summary
from harness.results import capacity, ceilings, doubts
from harness.results.tables import round_to, supported_places
from harness.slo import Slo
from harness.thresholds import CONFIDENCE, LATE_MS, SAME_WITHIN

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
OPEN_HEADINGS = (
    *HEADINGS[:2],
    "p99 against baseline",
    *HEADINGS[3:6],
    "service p50 ms",
    "service p99 ms",
    "lag p99 ms",
    "late",
    "dropped",
    *HEADINGS[6:],
)
"""Of an open loop: what a schedule adds stands after the latencies."""

DASH = "-"
METRIC_WORDS: Mapping[Metric, str] = {
    "rps": "req/s",
    "p99_ms": "p99",
    "app_cpu_us": "app CPU per request",
}


def report(matrix: Matrix, found: Findings, environment: Mapping[str, Any]) -> str:
    """Return the whole report."""
    parts = [
        f"# {matrix.name}",
        "\n".join(f"- {sentence}" for sentence in sentences(found)),
        *(_setting(found, setting) for setting in found.settings),
        *_errors(found),
        *_without_number(found),
        *_doubts(found),
        *_machine(found),
        _method(matrix),
        _environment(environment),
    ]
    return "\n\n".join(parts) + "\n"


def results_table(found: Findings, setting: Setting) -> str:
    """Return the Markdown table of one setting: a row a stack, fastest first, then ceilings."""
    if setting.rate is not None:
        return _table(OPEN_HEADINGS, (_open_row(found, each) for each in _soonest(found, setting)))
    stacks = sorted(found.of(setting), key=lambda each: 1.0 if each.rps is None else -each.rps)
    slo = found.slos.get(setting)
    at_capacity = {} if slo is None else {"p50 ms": "connections", "p99 ms": f"p{slo.percent} ms"}
    headings = [at_capacity.get(each, each) for each in HEADINGS]
    rows = [_row(found, each) for each in stacks]
    limits = found.ceilings_of(setting)
    if limits:
        headings.insert(ceilings.PLACE, ceilings.HEADING)
        rows = ceilings.with_shares(found, setting, stacks, rows)
        rows += [ceilings.set_apart(_row(found, each)) for each in limits]
    return _table(headings, rows)


def _setting(found: Findings, setting: Setting) -> str:
    baseline = found.baselines.get(setting)
    slo = found.slos.get(setting)
    facts = [
        capacity.fact(slo, setting) if slo else f"{setting.concurrency} connections",
        f"pool of {setting.pool_size}",
        f"{setting.workers} worker{'s' * (setting.workers > 1)}",
    ]
    if setting.rate is not None:
        facts.insert(0, f"open loop at {setting.rate:g} req/s")
    if setting.limit is not None:
        facts.insert(0, f"{setting.limit} rows")
    if baseline:
        facts.append(f"baseline {baseline}")
    title = setting_text(setting, found.settings)
    parts = [f"## {title}", ", ".join(facts), results_table(found, setting)]
    if slo:
        parts.append(_probes(found, setting, slo))
    return "\n\n".join([*parts, *_twins(found, setting)])


def _twins(found: Findings, setting: Setting) -> list[str]:
    """Return what the run makes of one stack under two names: its own error."""
    return [
        f"A/A: {twins.other.stack} is {twins.one.stack} under another name, and came out at "
        + " and ".join(
            f"{ratio_text(ratio.mean, ratio.lo, ratio.hi)} in {METRIC_WORDS[metric]}"
            for metric, ratio in twins.ratios.items()
        )
        + ". A difference between other stacks that is no larger is none that this run could show."
        for twins in found.twins
        if twins.one.setting == setting
    ]


def _probes(found: Findings, setting: Setting, slo: Slo) -> str:
    cells = found.of(setting)
    said = (
        "What the searches saw on the way, medians over blocks, struck through where the SLO "
        "was mostly broken:"
    )
    headings, rows = capacity.probe_headings(cells, slo), capacity.probe_rows(found, cells)
    return f"{said}\n\n{_table(headings, rows)}"


def _row(found: Findings, cell: Summary) -> list[str]:
    pair = found.primary(cell.key)
    alone = DASH if found.baselines.get(cell.key.setting) is None else "baseline"
    if cell.outcome != "ok":
        return [cell.key.stack, cell.outcome, *[DASH] * 8, _escaped(cell.flags)]
    return [
        cell.key.stack,
        rate_text(cell),
        _ratio(pair) if pair else alone,
        verdict_text(pair, cell.blocks) if pair else "",
        *_latencies(found, cell),
        _number(cell.cost.app_cpu_us),
        _number(cell.cost.db_cpu_us),
        _number(cell.cost.rss_end_mib),
        f"{cell.error_pct:.3g} %" if cell.errors and cell.error_pct else "0",
        _escaped("; ".join(filter(None, (cell.flags, pair.flags if pair else "")))),
    ]


def _latencies(found: Findings, cell: Summary) -> tuple[str, str]:
    if cell.key.setting not in found.slos:
        return _number(cell.latency.p50_ms), _number(cell.latency.p99_ms)
    connections = cell.capacity.capacity_concurrency
    return _number(connections), _number(capacity.percentile_ms(found, cell))


def _soonest(found: Findings, setting: Setting) -> list[Summary]:
    """Return the cells of an open loop by p99, or by p50 where p99 is blank."""

    def latency(cell: Summary) -> tuple[bool, float, float]:
        p50, p99 = cell.latency.p50_ms, cell.latency.p99_ms
        return p50 is None, p99 or math.inf, p50 or math.inf

    return sorted(found.of(setting), key=latency)


def _open_row(found: Findings, cell: Summary) -> list[str]:
    row, extra = _row(found, cell), cell.open_loop
    figures = [
        _number(extra.service_p50_ms),
        _number(extra.service_p99_ms),
        _number(extra.schedule_lag_p99_ms),
        DASH if extra.late is None else str(extra.late),
        DASH if extra.dropped is None else str(extra.dropped),
    ]
    return [*row[:6], *figures, *row[6:]]


def rate_text(cell: Summary) -> str:
    """Return req/s to the digits its interval supports, with half its width in per cent."""
    places = supported_places(cell.rps, cell.rps_lo, cell.rps_hi)
    rate = round_to(cell.rps, places)
    if rate is None:
        return DASH
    text = f"{'at least ' * capacity.at_least(cell)}{rate:,}"
    if cell.rps and cell.rps_lo is not None and cell.rps_hi is not None:
        text += f" {_spread(50 * (cell.rps_hi - cell.rps_lo) / cell.rps)}"
    return text


def _spread(half_pct: float) -> str:
    """Return half an interval's width to two digits; past 100 % it says nothing more."""
    if half_pct > 100:
        return "±>100 %"
    if 0 < half_pct < 0.01:  # digits of a float, not of a measurement
        return "±<0.01 %"
    return f"±{half_pct:.0f} %" if half_pct >= 10 else f"±{half_pct:.2g} %"


def _ratio(pair: Comparison) -> str:
    return DASH if pair.ratio is None else ratio_text(pair.ratio, pair.lo, pair.hi)


def verdict_text(pair: Comparison, blocks: int) -> str:
    """Return the verdict; for an unclear one also how many more blocks it would likely take."""
    if pair.verdict != "unclear" or not (pair.ratio and pair.lo and pair.hi):
        return pair.verdict
    more = stats.blocks_to_go(pair.ratio, math.log(pair.hi / pair.lo) / 2, blocks)
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


def _doubts(found: Findings) -> list[str]:
    flags = [each.flags for each in found.summaries.values()]
    met = doubts.met([*flags, *(each.flags for each in found.comparisons.values())])
    lines = [f"- `{name}`: {meaning}" for name, meaning in met]
    return ["## What the doubts mean\n\n" + "\n".join(lines)] if lines else []


def _machine(found: Findings) -> list[str]:
    if not found.machines:
        return []
    heading = ("", "median of blocks", "worst block")
    parts = ["## Machine", _table(heading, noises.rows(found.machines))]
    absent = noises.missing(found.machines)
    if absent:
        parts.append(f"Not available here: {', '.join(absent)}.")
    return ["\n\n".join(parts)]


def _method(matrix: Matrix) -> str:
    run = matrix.run
    searching = any(group.slo is not None for group in matrix.groups)
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
        f"within. {_loops(matrix)} CPU is per good answer."
        + f" {capacity.METHOD}" * searching
        + _ceilings(matrix)
    )


def _ceilings(matrix: Matrix) -> str:
    if not any(map(matrix.ceilings_of, matrix.groups)):
        return ""
    return (
        " Two ceilings stand below the stacks and are none of them: `noop` is the same server "
        "asked for nothing that needs a database, `pgbench` the database's own tool doing the "
        f"endpoint's SQL over as many connections as a pool has. Each had {SHARE:.0%} of a "
        "stack's load, in the same slices."
    )


def _loops(matrix: Matrix) -> str:
    """Say what load is: one kind of loop, or which settings have which."""
    closed = (
        "closed-loop: each connection sends its next request when the last is answered, so "
        "req/s is capacity at that concurrency, and latency is that of a server kept busy."
    )
    scheduled = (
        "open-loop: requests are due on a Poisson schedule, the same for all stacks of a "
        "setting, whatever has been answered; a slice has time for 20 of them. Latency counts "
        "from when a request was due, its wait for a free connection included; service time "
        "from when it was written. Stacks are compared by p99: req/s is the rate for all that "
        "keep it. `lag` is how late the generator itself was, `late` counts requests written "
        f"over {LATE_MS:g} ms after they were due, `dropped` those not answered "
        f"{format_duration(matrix.run.timeout)} after."
    )
    rated = {group.rate is not None for group in matrix.groups}
    if rated == {False}:
        return f"Load is {closed}"
    if rated == {True}:
        return f"Load is {scheduled}"
    return f"Load without a rate is {closed} Load at a rate is {scheduled}"


def _environment(environment: Mapping[str, Any]) -> str:
    machine, cpu = environment["machine"], environment["cpu"]
    database, packages = environment["database"], environment["packages"]
    settings = ", ".join(f"{name} {value}" for name, value in sorted(database["settings"].items()))
    affinity = ", ".join(
        f"{part} on {' '.join(map(str, cpus))}" if cpus is not None else f"{part} anywhere"
        for part, cpus in sorted(environment["affinity"].items())
    )
    governed = f", governor {cpu['governor']}" if cpu.get("governor") else ""
    rows = [
        ("CPU", f"{cpu['count']} x {cpu['model']}{governed}"),
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
