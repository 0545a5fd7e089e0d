"""`serve`: one stack's app, until Ctrl-C."""

import asyncio
import contextlib
from pathlib import Path

import click

from harness.arguments import stacks
from harness.commands.chosen import chosen_matrix
from harness.commands.running import with_processes
from harness.processes import Processes
from harness.serving import serve_stack


@click.command("serve")
@click.argument("stack", shell_complete=stacks)
@click.option(
    "--matrix",
    "path",
    type=click.Path(path_type=Path),
    default=Path("matrix.toml"),
    show_default=True,
    help="Where the stack is defined.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="Default: a free one.")
@click.option("--dsn", metavar="DSN", help="Use this server, not the embedded Postgres.")
def serve_command(stack: str, path: Path, port: int | None, dsn: str | None) -> int:
    r"""Serve STACK's app on its own database, ready for curl or wrk.

    \b
    python -m harness serve asyncpg --port 8000
    curl http://127.0.0.1:8000/users/7
    """
    chosen = chosen_matrix(path, dsn=dsn)

    async def job(processes: Processes) -> None:
        await serve_stack(chosen, stack, port, processes, click.echo)

    with contextlib.suppress(asyncio.CancelledError):  # Ctrl-C is how it is meant to end
        with_processes(job)
    return 0
