"""Where a command's text goes: a file, stdout, the page of a workflow."""

from collections.abc import Callable
from pathlib import Path

import click

from harness import stepsummary
from harness.errors import BadInput


def write(text: str, output: Path | None) -> None:
    """Write `text` to a file, or to stdout."""
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{output}: cannot be written: {error.strerror}") from None


def summarise(markdown: Callable[[], str]) -> None:
    """Put what `markdown` says on the page of the workflow's run, if this is one.

    It is no fault if that fails.
    """
    failure = stepsummary.append(markdown)
    if failure:
        click.echo(failure, err=True)
