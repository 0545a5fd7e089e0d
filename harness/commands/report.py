"""`report`: a results folder's files again, or what they say for another tool."""

from pathlib import Path

import click

from harness.arguments import results_folders
from harness.commands.output import write
from harness.errors import BadInput
from harness.results.exports import EXPORTS
from harness.results.rebuild import export, rebuild


@click.command("report")
@click.argument(
    "folder", metavar="DIR", type=click.Path(path_type=Path), shell_complete=results_folders
)
@click.option(
    "--export",
    "form",
    type=click.Choice(list(EXPORTS)),
    metavar="FORMAT",
    help=f"Print this instead: {', '.join(EXPORTS)}.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the export there.",
)
def report_command(folder: Path, form: str | None, output: Path | None) -> int:
    r"""Make every file of DIR again from its blocks.csv, or export what they say.

    An export changes nothing in DIR. github-action-benchmark is its customBiggerIsBetter,
    github-action-benchmark-smaller its customSmallerIsBetter.

    \b
    python -m harness report results/matrix
    python -m harness report results/matrix --export bmf
    python -m harness report results/matrix --export github-action-benchmark -o bench.json
    """
    if form is not None:
        write(export(folder, form), output)
    elif output is not None:
        raise BadInput("--output: goes with --export; without it the files of DIR are written")
    else:
        for name in rebuild(folder):
            click.echo(folder / name)
    return 0
