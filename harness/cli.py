"""`python -m harness`: the commands under one name, and how each ends: one line, one exit code."""

import asyncio
import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from harness import __version__
from harness.errors import INTERRUPTED, BadInput, HarnessError

COMPLETE = "_HARNESS_COMPLETE"
"""Set by a shell that asks what could come next: of `harness`, as it completes no `python -m`."""

LEFT_ALONE = ("\\b\n", "\b\n")
"""click's mark for lines to leave as they are: in a raw docstring it is two characters."""

DEFAULT_COMMAND = "run"
COMMANDS = {
    "run": "Measure a matrix (the default command).",
    "ab": "Two revisions, or two sets of packages, side by side.",
    "serve": "Serve one stack's app until Ctrl-C.",
    "trace": "What one warm request says to its database.",
    "check": "Does every stack start and answer alike?",
    "load": "Load one URL with the generator alone.",
    "report": "Make a folder's report again, or export it.",
    "schema": "Print the JSON Schema of a matrix, for editors.",
    "diff": "What changed between two results?",
    "history": "How a ratio went from commit to commit.",
}
"""What is said of each in a line. The rest of it is in the module of its name."""


def command(name: str) -> click.Command:
    r"""Return the command `name`; lines of its docstring below a `\b` are shown as they stand."""
    module = importlib.import_module(f"harness.commands.{name}")
    found: click.Command = getattr(module, f"{name}_command")
    found.help = str(found.help).replace(*LEFT_ALONE)
    return found


class Commands(click.Group):
    """`python -m harness matrix.toml` is the main job: a first word that is no command runs it.

    Its commands stand for those of their names, of which only the one that is asked for is
    imported: all of them take a second, and a shell asks at every Tab.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the main job's name before arguments that name no command."""
        plain = {"--help", "-h", "--version"}
        if args and args[0] not in self.commands and args[0] not in plain:
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args or ["--help"])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first of `args` names, and the others."""
        name, known, others = super().resolve_command(ctx, args)
        return name, known and command(str(name)), others

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a command, or a matrix and options of the main job."""
        found = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-"):
            found += command(DEFAULT_COMMAND).shell_complete(ctx, incomplete)
        return [*found, CompletionItem(incomplete, type="file")]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harness")
def commands() -> None:
    r"""Benchmark Postgres driver stacks behind the same asyncio service.

    What is no command is a matrix to measure.

    \b
    python -m harness matrix.toml            measure, and write results/matrix/
    python -m harness matrix.toml --help     what the main job can be told
    python -m harness check                  is everything fit for measuring?
    python -m harness diff HEAD~1 HEAD       what changed since?
    """


commands.help = str(commands.help).replace(*LEFT_ALONE)
for name, what in COMMANDS.items():
    commands.add_command(click.Command(name, short_help=what))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (default: the process's) name; return its exit code."""
    here = str(Path.cwd())
    if sys.path[:1] != [here]:
        sys.path.insert(0, here)  # an adapter of the user's is found where they stand
    try:
        code = commands.main(
            args=None if arguments is None else list(arguments),
            prog_name="harness" if COMPLETE in os.environ else "python -m harness",
            complete_var=COMPLETE,
            standalone_mode=False,
        )
    except HarnessError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    except click.exceptions.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        click.echo(f"error: {error.format_message()}", err=True)
        return BadInput.exit_code
    except asyncio.CancelledError:
        return INTERRUPTED
    except BrokenPipeError:  # the reader (head, less) has seen enough
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return int(code or 0)
