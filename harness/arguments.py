"""How arguments are read: kinds of value, and what a shell may complete."""

import contextlib
import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from harness.duration import parse_duration


class Duration(click.ParamType[float]):
    """A duration such as `60s`, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Return the seconds, or fail as click does."""
        if isinstance(value, float):
            return value
        try:
            seconds = parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if seconds <= 0:
            self.fail("expected a duration above zero", param, ctx)
        return seconds


class Rate(click.ParamType[float]):
    """Requests a second, such as `500`."""

    name = "rate"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Return the rate, or fail as click does."""
        from harness.matrix.values import RATE_MAX, RATE_MIN  # of all that reads a matrix

        try:
            rate = float(value)
        except ValueError:
            rate = math.nan
        if not RATE_MIN <= rate <= RATE_MAX:
            self.fail(f"expected {RATE_MIN} to {RATE_MAX} req/s, got {value}", param, ctx)
        return rate


def stacks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a stack of the matrix."""
    return [each for each in _names(ctx, "stack") if each.startswith(incomplete)]


def groups_and_stacks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete what `--only` may name."""
    names = [*_names(ctx, "group"), *_names(ctx, "stack")]
    return [each for each in names if each.startswith(incomplete)]


def results_folders(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a results folder: those under results/, else any path."""
    from harness.results.store import BLOCKS  # with all that is stored: too much to help and list

    found = [str(path.parent) for path in sorted(Path("results").glob(f"*/{BLOCKS}"))]
    known = [CompletionItem(each) for each in found if each.startswith(incomplete)]
    return known or [CompletionItem(incomplete, type="dir")]


def _names(ctx: click.Context, section: str) -> Iterator[str]:
    """Yield what the matrix calls its stacks or groups; nothing where it cannot be read yet."""
    path = ctx.params.get("path") or Path("matrix.toml")
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        for each in tomllib.loads(path.read_text(encoding="utf-8"))[section]:
            yield str(each["name"])
