"""What changed, as plain text in columns. Pure."""

from collections.abc import Iterator, Sequence

from harness.diff.layout import Lines, Part, Table

GAP = "  "


def text(parts: Sequence[Part]) -> str:
    """Return `parts` for a terminal or a log."""
    return "\n\n".join(
        "\n".join(_lines(part) if isinstance(part, Lines) else _table(part)) for part in parts
    )


def _lines(part: Lines) -> Iterator[str]:
    if not part.title:
        yield from part.lines
        return
    yield part.title
    yield from (GAP + line for line in part.lines)


def _table(part: Table) -> Iterator[str]:
    yield part.title
    rows = [row for _, group in part.groups for row in group]
    widths = [max(map(len, column)) for column in zip(part.headings, *rows, strict=True)]
    yield _row(part.headings, widths)
    for heading, group in part.groups:
        if heading:
            yield heading
        yield from (_row(row, widths) for row in group)


def _row(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
    return (GAP + GAP.join(cells)).rstrip()
