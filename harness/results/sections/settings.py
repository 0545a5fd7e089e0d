"""A table for each setting, and what must be said beside it."""

import math
from collections.abc import Mapping

from harness.findings import Findings
from harness.model import Metric, Setting, Summary
from harness.naming import said
from harness.results import capacity, ceilings, distance
from harness.results.figures import against_text, rate_text, verdict_text
from harness.results.gfm import DASH, escaped, number, table
from harness.results.sections.folded import folded
from harness.results.sections.material import Material
from harness.sentences import ratio_text
from harness.slo import Slo

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
    "round trips",
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

METRIC_WORDS: Mapping[Metric, str] = {
    "rps": "req/s",
    "p99_ms": "p99",
    "app_cpu_us": "app CPU per request",
}


MOST_OPEN = 12
"""Settings. More of them are folded: nobody scrolls through a hundred tables to one."""


def section(material: Material) -> str:
    """Return a part for every setting; folded under one heading where there are many."""
    found = material.found
    if len(found.settings) <= MOST_OPEN:
        return "\n\n".join(
            "\n\n".join((f"## {found.names[each]}", *_setting(material, each)))
            for each in found.settings
        )
    opening = f"## Settings\n\nEach of the {len(found.settings)} opens to its table."
    parts = (folded(found, each, _setting(material, each)) for each in found.settings)
    return "\n\n".join((opening, *parts))


def _results(found: Findings, setting: Setting) -> str:
    """Return the Markdown table of one setting: a row a stack, fastest first, then ceilings."""
    if setting.rate is not None:
        return table(OPEN_HEADINGS, (_open_row(found, each) for each in _soonest(found, setting)))
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
    return table(headings, rows)


def _setting(material: Material, setting: Setting) -> list[str]:
    found = material.found
    baseline = found.baselines.get(setting)
    slo = found.slos.get(setting)
    facts = [
        capacity.fact(slo, setting) if slo else said(setting, "concurrency"),
        f"pool of {setting.pool_size}",
        said(setting, "workers"),
    ]
    if setting.rate is not None:
        facts.insert(0, f"open loop at {setting.rate:g} req/s")
    if setting.limit is not None:
        facts.insert(0, said(setting, "limit"))
    if setting.options:
        facts.append(escaped(setting.options))
    if baseline:
        facts.append(f"baseline {baseline}")
    if setting.rtt_ms:
        facts.append(distance.fact(setting, found.of(setting)))
    title = found.names[setting]
    parts = [", ".join(facts), _results(found, setting)]
    if slo:
        parts.append(_probes(found, setting, slo))
    parts += _twins(found, setting)
    if setting in material.pictures.of:
        parts.append(f"![{title}: req/s, latency, CPU, memory]({material.pictures.of[setting]})")
    return parts


def _twins(found: Findings, setting: Setting) -> list[str]:
    """Return what the run makes of one stack under two names: its own error."""
    return [
        f"A/A: {twins.other.stack} is {twins.one.stack} under another name, and came out at "
        + " and ".join(
            f"{ratio_text(ratio.mean, ratio.lo, ratio.hi)} in {METRIC_WORDS[metric]}"
            for metric, ratio in twins.ratios.items()
        )
        + ". A difference between other stacks that is no larger is none that this run could show."
        for twins in found.by_setting[setting].twins
    ]


def _probes(found: Findings, setting: Setting, slo: Slo) -> str:
    cells = found.of(setting)
    said = (
        "What the searches saw on the way, medians over blocks, struck through where the SLO "
        "was mostly broken:"
    )
    headings, rows = capacity.probe_headings(cells, slo), capacity.probe_rows(found, cells)
    return f"{said}\n\n{table(headings, rows)}"


def _row(found: Findings, cell: Summary) -> list[str]:
    pair = found.primary(cell.key)
    alone = DASH if found.baselines.get(cell.key.setting) is None else "baseline"
    if cell.outcome != "ok":
        return [cell.key.stack, cell.outcome, *[DASH] * 9, escaped(cell.flags)]
    return [
        cell.key.stack,
        rate_text(cell),
        against_text(pair) if pair else alone,
        verdict_text(pair, cell.blocks) if pair else "",
        *_latencies(found, cell),
        number(cell.cost.app_cpu_us),
        number(cell.cost.db_cpu_us),
        number(cell.cost.rss_end_mib),
        number(cell.wire.round_trips),
        f"{cell.error_pct:.3g} %" if cell.errors and cell.error_pct else "0",
        escaped("; ".join(filter(None, (cell.flags, pair.flags if pair else "")))),
    ]


def _latencies(found: Findings, cell: Summary) -> tuple[str, str]:
    if cell.key.setting not in found.slos:
        return number(cell.latency.p50_ms), number(cell.latency.p99_ms)
    connections = cell.capacity.capacity_concurrency
    return number(connections), number(capacity.percentile_ms(found, cell))


def _soonest(found: Findings, setting: Setting) -> list[Summary]:
    """Return the cells of an open loop by p99, or by p50 where p99 is blank."""

    def latency(cell: Summary) -> tuple[bool, float, float]:
        p50, p99 = cell.latency.p50_ms, cell.latency.p99_ms
        return p50 is None, p99 or math.inf, p50 or math.inf

    return sorted(found.of(setting), key=latency)


def _open_row(found: Findings, cell: Summary) -> list[str]:
    row, extra = _row(found, cell), cell.open_loop
    figures = [
        number(extra.service_p50_ms),
        number(extra.service_p99_ms),
        number(extra.schedule_lag_p99_ms),
        DASH if extra.late is None else str(extra.late),
        DASH if extra.dropped is None else str(extra.dropped),
    ]
    return [*row[:6], *figures, *row[6:]]
