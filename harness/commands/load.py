"""`load`: the generator alone."""

import click

from harness.arguments import Duration, Rate
from harness.commands.running import with_processes
from harness.errors import NothingMeasurable
from harness.load.command import LoadReport, json_bytes, run_load, text
from harness.processes import Processes


@click.command("load")
@click.argument("url")
@click.option(
    "-c",
    "connections",
    type=click.IntRange(1, 10_000),
    default=16,
    show_default=True,
    metavar="N",
    help="Connections that load it.",
)
@click.option(
    "-d",
    "duration",
    type=Duration(),
    default="5s",
    show_default=True,
    metavar="TIME",
    help="For how long.",
)
@click.option("--rate", type=Rate(), metavar="R", help="An open loop at R req/s.")
@click.option(
    "--timeout",
    type=Duration(),
    default="10s",
    show_default=True,
    metavar="TIME",
    help="A request that takes longer has failed.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, keyed like cells.csv.")
def load_command(
    url: str,
    connections: int,
    duration: float,
    rate: float | None,
    timeout: float,
    as_json: bool,
) -> int:
    r"""Load URL as a matrix does, in a closed loop or at a rate, and print what came back.

    \b
    python -m harness load http://127.0.0.1:8000/users/7 -c 16 -d 5s
    python -m harness load http://127.0.0.1:8000/users/7 --rate 500
    """

    async def job(processes: Processes) -> LoadReport:
        return await run_load(url, connections, duration, timeout, processes, rate=rate)

    report = with_processes(job)
    click.echo(json_bytes(report) if as_json else text(report))
    return 0 if report.requests else NothingMeasurable.exit_code
