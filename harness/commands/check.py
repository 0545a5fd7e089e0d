"""`check`: whether everything is fit for measuring."""

from pathlib import Path

import click

from harness.checkup import check
from harness.commands.chosen import chosen_matrix
from harness.commands.running import with_processes
from harness.processes import Processes


@click.command("check")
@click.argument("path", metavar="[MATRIX]", type=click.Path(path_type=Path), required=False)
@click.option("--dsn", metavar="DSN", help="Use this server, not the embedded Postgres.")
def check_command(path: Path | None, dsn: str | None) -> int:
    r"""Start every stack of MATRIX (default: matrix.toml) and compare their answers.

    \b
    python -m harness check
    python -m harness check harness/scenarios/aa.toml
    python -m harness check --dsn postgresql://me@127.0.0.1/bench
    """
    chosen = chosen_matrix(path or Path("matrix.toml"), dsn=dsn)

    async def job(processes: Processes) -> bool:
        return await check(chosen, processes, click.echo)

    return 0 if with_processes(job) else 1
