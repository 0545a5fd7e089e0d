"""What the connections of each stack did under load."""

from harness.model import Connections, Summary
from harness.results.gfm import DASH, escaped, number, table
from harness.results.sections.material import Material

HEADINGS = (
    "setting",
    "stack",
    "connections",
    "active",
    "idle in transaction",
    "last statement of idle ones",
    "wait for the pool, mean ms",
    "p99 ms",
    "clients by worker",
)

EXPLAINED = (
    "The most backends at once, in all and by state, and what idle ones had done last, seen in "
    "`pg_stat_activity` every quarter of a second; how long requests waited for a connection "
    "of their pool, those that gave up among them."
)


def section(material: Material) -> str:
    """Return the table, or nothing when nothing was seen."""
    found = material.found
    rows = [
        _row(found.names[key.setting], cell)
        for key, cell in found.summaries.items()
        if cell.connections != Connections()
    ]
    return f"## Connections\n\n{EXPLAINED}\n\n{table(HEADINGS, rows)}" if rows else ""


def _row(name: str, cell: Summary) -> list[str]:
    seen = cell.connections
    return [
        name,
        cell.key.stack,
        number(cell.cost.connections),
        number(seen.connections_active),
        number(seen.connections_idle_in_transaction),
        escaped(seen.last_statement) or DASH,
        number(seen.pool_wait_mean_ms),
        number(seen.pool_wait_p99_ms),
        seen.worker_split or DASH,
    ]
