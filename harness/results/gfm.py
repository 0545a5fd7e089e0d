"""GitHub-flavoured Markdown: tables, and text that breaks none. Pure."""

from collections.abc import Iterable, Sequence

DASH = "-"
"""Stands where nothing was measured."""


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; `rows` are as long as `headings`, and escaped where they need to be."""
    lines = ["| " + " | ".join(headings) + " |", "|" + " --- |" * len(headings)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def number(value: float | None) -> str:
    """Return three digits of `value`, or all those before its point."""
    if value is None:
        return DASH
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def escaped(text: str) -> str:
    """One line, no HTML, no new column: a message is whatever a database or a driver said."""
    line = " ".join(text.split())
    return line.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
