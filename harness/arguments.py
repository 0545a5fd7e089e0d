"""How the command line is read: the default command, kinds of value, what a shell may complete."""

import contextlib
import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from harness.duration import parse_duration
from harness.matrix.values import RATE_MAX, RATE_MIN
from harness.results.store import BLOCKS

DEFAULT_COMMAND = "run"
LEFT_ALONE = ("\\b\n", "\b\n")
"""click's mark for lines to leave as they are: in a raw docstring it is two characters."""


class Commands(click.Group):
    """`python -m harness matrix.toml` is the main job: a first word that is no command runs it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the main job's name before arguments that name no command."""
        plain = {"--help", "-h", "--version"}
        if args and args[0] not in self.commands and args[0] not in plain:
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args or ["--help"])

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        r"""Add a command; the lines of its docstring below a `\b` are shown as they stand."""
        cmd.help = None if cmd.help is None else cmd.help.replace(*LEFT_ALONE)
        super().add_command(cmd, name)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a command, or a matrix and options of the main job."""
        main_job = self.commands[DEFAULT_COMMAND]
        return [
            *super().shell_complete(ctx, incomplete),
            *main_job.shell_complete(ctx, incomplete),
            CompletionItem(incomplete, type="file"),
        ]


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
    found = [str(path.parent) for path in sorted(Path("results").glob(f"*/{BLOCKS}"))]
    known = [CompletionItem(each) for each in found if each.startswith(incomplete)]
    return known or [CompletionItem(incomplete, type="dir")]


def _names(ctx: click.Context, section: str) -> Iterator[str]:
    """Yield what the matrix calls its stacks or groups; nothing where it cannot be read yet."""
    path = ctx.params.get("path") or Path("matrix.toml")
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        for each in tomllib.loads(path.read_text(encoding="utf-8"))[section]:
            yield str(each["name"])
