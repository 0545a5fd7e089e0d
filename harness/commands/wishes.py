"""What every command that measures a matrix can be told."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.arguments import Duration, groups_and_stacks

Command = TypeVar("Command", bound=Callable[..., Any])

OPTIONS = (
    click.option(
        "--budget", type=Duration(), metavar="TIME", help="Stop after this much wall time."
    ),
    click.option("--quick", is_flag=True, help="Two short blocks of every cell."),
    click.option(
        "--only",
        multiple=True,
        metavar="GLOB",
        help="Groups or stacks to measure; may be repeated.",
        shell_complete=groups_and_stacks,
    ),
    click.option(
        "--results",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("results"),
        show_default=True,
        metavar="DIR",
        help="Results go into DIR/<name>/.",
    ),
    click.option("--dsn", metavar="DSN", help="Use this server, not the embedded Postgres."),
    click.option(
        "--plan", "plan_only", is_flag=True, help="Print what would be done; start nothing."
    ),
    click.option("--resume", is_flag=True, help="Go on with the blocks that are there already."),
    click.option(
        "--seed", type=click.IntRange(min=0), metavar="N", help="Order of blocks and slices."
    ),
    click.option(
        "--force", is_flag=True, help="Run stacks that need more connections than there are."
    ),
    click.option("--no-progress", is_flag=True, help="Plain lines even on a terminal."),
    click.option("--fail-on-invalid", is_flag=True, help="Exit 3 when a cell came out invalid."),
)


def measuring(command: Command) -> Command:
    """Give `command` the options of every command that measures: the fields of `Wishes`."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line wants of a measurement."""

    budget: float | None
    quick: bool
    only: tuple[str, ...]
    results: Path
    dsn: str | None
    plan_only: bool
    resume: bool
    seed: int | None
    force: bool
    no_progress: bool
    fail_on_invalid: bool

    @property
    def of_matrix(self) -> dict[str, Any]:
        """Those that change the matrix."""
        names = ("budget", "quick", "only", "dsn", "seed")
        return {name: getattr(self, name) for name in names}
