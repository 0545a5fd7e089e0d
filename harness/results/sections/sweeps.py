"""How the stacks follow each axis that the matrix sweeps, in pictures."""

from harness.results.sections.material import Material


def section(material: Material) -> str:
    """Return a picture for each that is drawn, or nothing."""
    pictures = material.pictures
    parts = [f"![{each.title}]({name})" for each, name in pictures.sweeps.items()]
    if parts:
        parts.insert(0, "## Along each axis")
    if pictures.of and pictures.without:
        drawn, many = len(pictures.of), len(pictures.of) + pictures.without
        parts.append(f"Of {many} settings the first {drawn} are drawn.")
    return "\n\n".join(parts)
