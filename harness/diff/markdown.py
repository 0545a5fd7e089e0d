"""What changed, as GitHub Markdown. Pure."""

from collections.abc import Iterator, Sequence

from harness.diff.layout import Lines, Part, Table


def markdown(parts: Sequence[Part]) -> str:
    """Return `parts` as a comment on a pull request shows them."""
    return "\n\n".join(
        "\n".join(_lines(part) if isinstance(part, Lines) else _table(part)) for part in parts
    )


def _lines(part: Lines) -> Iterator[str]:
    if part.title:
        yield from (f"### {part.title}", "")
    yield from (f"- {_escaped(line)}" for line in part.lines)


def _table(part: Table) -> Iterator[str]:
    grouped = any(heading for heading, _ in part.groups)
    yield from (f"### {part.title}", "")
    yield _row(("", *part.headings) if grouped else part.headings)
    yield "|" + " --- |" * (len(part.headings) + grouped)
    for heading, group in part.groups:
        yield from (_row((heading, *row) if grouped else row) for row in group)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_escaped, cells)) + " |"


def _escaped(text: str) -> str:
    """One line, no HTML, no new column, nothing struck through."""
    line = " ".join(text.split())
    for mark, instead in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("~", "\\~")):
        line = line.replace(mark, instead)
    return line
