"""The first message of every class of error."""

from harness.results.gfm import escaped, table
from harness.results.sections.material import Material

HEADINGS = ("setting", "stack", "class", "requests", "first message")


def section(material: Material) -> str:
    """Return the table, or nothing when no request failed."""
    found = material.found
    rows = [
        [
            found.names[key.setting],
            key.stack,
            name,
            str(getattr(found.summaries[key].by_class, f"err_{name}")),
            escaped(message),
        ]
        for key, messages in found.first_errors.items()
        for name, message in sorted(messages.items())
    ]
    return f"## Errors\n\n{table(HEADINGS, rows)}" if rows else ""
