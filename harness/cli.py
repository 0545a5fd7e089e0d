"""`python -m harness`: the commands under one name, and how each ends: one line, one exit code."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from harness import __version__
from harness.arguments import LEFT_ALONE, Commands
from harness.commands.ab import ab_command
from harness.commands.check import check_command
from harness.commands.diff import diff_command
from harness.commands.history import history_command
from harness.commands.load import load_command
from harness.commands.report import report_command
from harness.commands.run import run_command
from harness.commands.schema import schema_command
from harness.commands.serve import serve_command
from harness.commands.trace import trace_command
from harness.errors import INTERRUPTED, BadInput, HarnessError

COMPLETE = "_HARNESS_COMPLETE"
"""Set by a shell that asks what could come next: of `harness`, as it completes no `python -m`."""


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
for each in (
    run_command,
    ab_command,
    serve_command,
    trace_command,
    check_command,
    load_command,
    report_command,
    schema_command,
    diff_command,
    history_command,
):
    commands.add_command(each)


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
