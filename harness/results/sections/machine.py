"""What the machine did beside the run."""

from harness import noises
from harness.results.gfm import table
from harness.results.sections.material import Material

HEADINGS = ("", "median of blocks", "worst block")


def section(material: Material) -> str:
    """Return the median and the worst of all blocks, or nothing when nothing was read."""
    machines = material.found.machines
    if not machines:
        return ""
    parts = ["## Machine", table(HEADINGS, noises.rows(machines))]
    absent = noises.missing(machines)
    if absent:
        parts.append(f"Not available here: {', '.join(absent)}.")
    return "\n\n".join(parts)
