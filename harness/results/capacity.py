"""What a report says of a setting whose capacity under an SLO was searched. Pure."""

import itertools
from collections.abc import Sequence
from statistics import median

from harness.findings import Findings
from harness.load.capacity import Probe
from harness.model import Setting, Summary
from harness.slo import Slo
from harness.thresholds import SLO_ERROR_PCT

METHOD = (
    "Where an SLO is given, req/s is the most that keeps it, with at most "
    f"{SLO_ERROR_PCT:g} % errors: the number of connections is doubled until the SLO breaks, then "
    "narrowed down, and what is shown was measured again at the answer. `at least` means "
    "that the SLO did not break over the most connections there were to try, or that the "
    "search ran out of time."
)


def fact(slo: Slo, setting: Setting) -> str:
    """Return what was asked for."""
    return f"capacity with {_code(slo)} over at most {setting.concurrency} connections"


def at_least(cell: Summary) -> bool:
    """Whether the capacity of `cell` may be more than what was found."""
    return cell.capacity.capacity_limit in ("connections", "time")


def percentile_ms(found: Findings, cell: Summary) -> float | None:
    """Return the SLO's percentile at the capacity: the median over the blocks' verifications.

    Not from `cell.latency`, which has no p99 of a server too slow for 1,000 answers.
    """
    blocks = found.probes_of(cell.key)
    return _median_ms([probes[-1] for probes in blocks if probes and probes[-1].kept])


def probe_headings(cells: Sequence[Summary], slo: Slo) -> list[str]:
    """Return the head of the probes' table: connections, then each stack."""
    return ["connections", *(f"{cell.key.stack}, req/s (p{slo.percent} ms)" for cell in cells)]


def probe_rows(found: Findings, cells: Sequence[Summary]) -> list[list[str]]:
    """Return a row for each doubling of the connections: medians over all blocks' probes.

    What came between the doublings differs from stack to stack; blocks.csv has it.
    """
    tried = {cell.key: _by_concurrency(found.probes_of(cell.key)) for cell in cells}
    doublings = sorted({n for each in tried.values() for n in each if n & (n - 1) == 0})
    return [
        [str(n), *(_probes_text(each.get(n, ())) for each in tried.values())] for n in doublings
    ]


def _by_concurrency(blocks: Sequence[Sequence[Probe]]) -> dict[int, list[Probe]]:
    found: dict[int, list[Probe]] = {}
    for each in itertools.chain(*blocks):
        found.setdefault(each.concurrency, []).append(each)
    return found


def _median_ms(probes: Sequence[Probe]) -> float | None:
    known = [each.percentile_ns / 1e6 for each in probes if each.percentile_ns is not None]
    return median(known) if known else None


def _probes_text(probes: Sequence[Probe]) -> str:
    """Return the medians; struck through where fewer than half of the probes kept the SLO."""
    if not probes:
        return "-"
    text, slow_ms = _digits(median(each.rps for each in probes)), _median_ms(probes)
    if slow_ms is not None:
        text += f" ({_digits(slow_ms)})"
    return text if 2 * sum(each.kept for each in probes) >= len(probes) else f"~~{text}~~"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _code(slo: Slo) -> str:
    return f"`{slo}`"  # its < would begin a tag
