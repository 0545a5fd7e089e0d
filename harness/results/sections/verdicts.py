"""The sentences that matter."""

from harness.results.sections.material import Material
from harness.verdicts import verdicts


def section(material: Material) -> str:
    """Return them as a list. Between two tildes, as HEAD~2 and HEAD~1 have, GitHub strikes out."""
    said = verdicts(material.matrix, material.found)
    return "\n".join(f"- {sentence}" for sentence in said).replace("~", r"\~")
