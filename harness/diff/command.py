"""The `diff` command: two sources in, a text and an exit code out."""

from collections.abc import Sequence
from dataclasses import dataclass

import click
from rich.console import Console
from rich.text import Text

from harness.beside import at_once, beside, worth_it
from harness.diff import sources
from harness.diff.compare import Difference, compare
from harness.diff.document import to_json
from harness.diff.gates import gate, met, unjudged
from harness.diff.layout import layout
from harness.diff.markdown import markdown
from harness.diff.text import text
from harness.uncollected import uncollected

FOUND = 1
MOST = 20
"""Complaints about one side's lines. More of them is a file that is not what it was."""


@dataclass(frozen=True, slots=True)
class Report:
    """What to print, what to complain of, and the exit code: 1 when a gate was met."""

    difference: Difference
    complaints: Sequence[str]
    failed: Sequence[str]

    @property
    def exit_code(self) -> int:
        """0, or 1 when there is what `--fail-on` names."""
        return FOUND if self.failed else 0

    def text(self) -> str:
        """Plain text in columns."""
        return text(layout(self.difference))

    def markdown(self) -> str:
        """GitHub Markdown."""
        return markdown(layout(self.difference))

    def json(self) -> str:
        """One JSON object."""
        return to_json(self.difference, self.failed)


def report(a: str | None, b: str | None, name: str | None, fail_on: Sequence[str]) -> Report:
    """Compare what the arguments of `diff` name. Raises `BadInput` when that cannot be read."""
    gates = [gate(each) for each in fail_on]
    source_a, source_b, wanted = sources.sources(a, b, name)
    name_a = sources.chosen(source_a, source_b, wanted)
    name_b = sources.chosen(source_b, source_a, wanted)
    with uncollected(kept=True):
        aside = beside if worth_it(source_b.size(name_b)) else at_once
        other = aside(lambda: sources.read(source_b, name_b))
        side_a, damage_a = sources.read(source_a, name_a)
        side_b, damage_b = other()
        difference = compare(side_a, side_b)
    complaints = [*_most(damage_a), *_most(damage_b), *unjudged(difference, gates)]
    return Report(difference, complaints, met(difference, gates))


def show(report: Report) -> None:
    """Print the text, in colour where that can be seen."""
    console = Console(highlight=False)
    if not console.is_terminal:
        click.echo(report.text())
        return
    body = Text(report.text())
    for pattern, style in ((r"\bslower\b", "red"), (r"\bfaster\b", "green"), ("~ .*", "dim")):
        body.highlight_regex(pattern, style)
    console.print(body, soft_wrap=True)


def _most(lines: Sequence[str]) -> list[str]:
    more = len(lines) - MOST
    return [*lines[:MOST], f"and {more} more such lines"] if more > 0 else list(lines)
