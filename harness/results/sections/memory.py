"""What each stack's server held in memory, where a group asked for rounds or for quiet."""

from harness.model import Summary
from harness.results.gfm import DASH, number, table
from harness.results.sections.material import Material

HEADINGS = (
    "setting",
    "stack",
    "idle MiB",
    "peak MiB",
    "after load MiB",
    "after quiet MiB",
    "growth, KiB per 1,000 requests",
    "by worker MiB",
    "its backends MiB",
)

EXPLAINED = (
    "Resident memory of the app's processes: pool full but idle, at most, directly after the "
    "last load, and after a time without any. Growth is the slope over the rounds of load, with "
    "its 95 % interval: over blocks, or over the rounds of one. The database's backends are "
    "apart, as proportional memory."
)


def section(material: Material) -> str:
    """Return the table, or nothing where neither was asked for."""
    found = material.found
    rows = [
        _row(found.names[key.setting], cell)
        for key, cell in found.summaries.items()
        if cell.memory.rss_quiet_mib is not None or cell.memory.rss_growth_kib_per_1000 is not None
    ]
    return f"## Memory\n\n{EXPLAINED}\n\n{table(HEADINGS, rows)}" if rows else ""


def _row(name: str, cell: Summary) -> list[str]:
    cost, memory = cell.cost, cell.memory
    return [
        name,
        cell.key.stack,
        number(cost.rss_idle_mib),
        number(cost.rss_peak_mib),
        number(cost.rss_end_mib),
        number(memory.rss_quiet_mib),
        _growth(cell),
        memory.rss_per_worker or DASH,
        number(cost.db_pss_mib),
    ]


def _growth(cell: Summary) -> str:
    memory = cell.memory
    text = number(memory.rss_growth_kib_per_1000)
    if memory.rss_growth_lo is None or memory.rss_growth_hi is None:
        return text
    return f"{text} [{number(memory.rss_growth_lo)}, {number(memory.rss_growth_hi)}]"
