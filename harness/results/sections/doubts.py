"""What the doubts mean that stand in the tables above."""

from harness.results.doubts import met
from harness.results.sections.material import Material


def section(material: Material) -> str:
    """Return a line for each that occurs, or nothing when none does."""
    found = material.found
    flags = [each.flags for each in found.summaries.values()]
    flags += [each.flags for each in found.comparisons.values()]
    lines = [f"- `{name}`: {meaning}" for name, meaning in met(flags)]
    return "\n".join(["## What the doubts mean", "", *lines]) if lines else ""
