"""`trace`: what one request says to its database."""

from pathlib import Path

import click

from harness.arguments import stacks
from harness.commands.chosen import chosen_matrix
from harness.commands.running import with_processes
from harness.processes import Processes
from harness.trace import trace
from harness.wire import story


@click.command("trace")
@click.argument("stack", shell_complete=stacks)
@click.argument("endpoint")
@click.option(
    "--matrix",
    "path",
    type=click.Path(path_type=Path),
    default=Path("matrix.toml"),
    show_default=True,
    help="Where the stack is defined.",
)
@click.option("--dsn", metavar="DSN", help="Use this server, not the embedded Postgres.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def trace_command(stack: str, endpoint: str, path: Path, dsn: str | None, as_json: bool) -> int:
    r"""Serve STACK, warm it, and print what one request to ENDPOINT says on the wire.

    \b
    python -m harness trace asyncpg users_get
    python -m harness trace sqlalchemy-sync books_list --json
    """
    chosen = chosen_matrix(path, dsn=dsn)

    async def job(processes: Processes) -> story.Story:
        return await trace(chosen, stack, endpoint, processes)

    told = with_processes(job)
    click.echo(story.json_bytes(told) if as_json else story.text(told))
    return 0
