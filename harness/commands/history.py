"""`history`: how a ratio went from commit to commit."""

from pathlib import Path

import click

from harness.commands.output import write
from harness.history.command import history


@click.command("history")
@click.argument("cells", metavar="CELL_GLOB")
@click.option("--name", metavar="NAME", help="Which results, where there are several.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, keyed like pairs.csv.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.svg",
    help="Draw it, too.",
)
def history_command(cells: str, name: str | None, as_json: bool, plot: Path | None) -> int:
    r"""Follow ratios to the baseline over the commits that changed results/NAME/.

    CELL_GLOB is matched against group/endpoint/stack, and against the same with all axes.
    A step is a change between neighbours that is proven, and larger than 3 %.

    \b
    python -m harness history 'users/users_get/asyncpg'
    python -m harness history '*/asyncpg*' --name matrix
    python -m harness history '*/asyncpg*' --plot asyncpg.svg
    python -m harness history '* concurrency=16 *' --json
    """
    found = history(cells, name)
    if plot is not None:
        write(found.svg(), plot)
    for line in found.left_out:
        click.echo(line, err=True)
    click.echo(found.json() if as_json else found.text())
    return 0
