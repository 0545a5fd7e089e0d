"""`diff`: what changed between two results."""

import click

from harness.arguments import results_folders
from harness.commands.output import summarise
from harness.diff import command as diff
from harness.errors import BadInput


@click.command("diff")
@click.argument("a", metavar="[A]", required=False, shell_complete=results_folders)
@click.argument("b", metavar="[B]", required=False, shell_complete=results_folders)
@click.option("--name", metavar="NAME", help="Which results, where there are several.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, keyed like pairs.csv.")
@click.option("--markdown", "as_markdown", is_flag=True, help="GitHub Markdown.")
@click.option(
    "--fail-on",
    multiple=True,
    metavar="WHAT",
    help="Exit 1 on slower[:3%], errors or rss[:10%]; may be repeated.",
)
def diff_command(
    a: str | None,
    b: str | None,
    name: str | None,
    as_json: bool,
    as_markdown: bool,
    fail_on: tuple[str, ...],
) -> int:
    r"""Say what changed from A to B, each a results folder or a git revision.

    A path that exists is a folder, anything else a revision, whose results/ is read
    without touching the checkout.

    \b
    python -m harness diff                   HEAD's results and the working tree's
    python -m harness diff matrix            the same, of results/matrix
    python -m harness diff results/matrix    the same, of any folder in the repository
    python -m harness diff v1.2              v1.2's results and the working tree's
    python -m harness diff HEAD~1 HEAD --fail-on slower:5% --fail-on errors
    python -m harness diff /tmp/a/matrix /tmp/b/matrix --markdown
    """
    if as_json and as_markdown:
        raise BadInput("--json and --markdown: choose one")
    found = diff.report(a, b, name, fail_on)
    for line in found.complaints:
        click.echo(line, err=True)
    if as_json or as_markdown:
        click.echo(found.json() if as_json else found.markdown())
    else:
        diff.show(found)
    summarise(found.markdown)
    for line in found.failed:
        click.echo(line, err=True)
    return found.exit_code
