"""The sentences that matter."""

from harness.results.sections.material import Material
from harness.sentences import sentences


def section(material: Material) -> str:
    """Return them as a list."""
    return "\n".join(f"- {sentence}" for sentence in sentences(material.found))
