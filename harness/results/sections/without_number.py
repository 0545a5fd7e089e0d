"""The cells that have no number, and why."""

from harness.results.gfm import escaped
from harness.results.sections.material import Material


def section(material: Material) -> str:
    """Return a line for each, or nothing when all have one."""
    found = material.found
    bad = [cell for cell in found.summaries.values() if cell.outcome != "ok"]
    if not bad:
        return ""
    lines = [
        f"- {found.names[cell.key.setting]}, {cell.key.stack}: "
        f"{cell.outcome}. {escaped(cell.flags)}"
        for cell in bad
    ]
    return "\n".join(["## Cells without a number", "", *lines])
