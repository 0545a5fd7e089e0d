"""`ab`: whether a change, or another version of a package, made it faster."""

import contextlib
from typing import Any

import click

from harness.ab.asked import asked
from harness.ab.gates import met, readable
from harness.ab.pairing import paired
from harness.ab.sides import ready, sides, text
from harness.commands.chosen import chosen_matrix
from harness.commands.measuring import Origins, measure, plan
from harness.commands.wishes import Wishes, measuring
from harness.matrix import Matrix
from harness.processes import Processes


@click.command("ab")
@click.argument("words", metavar="[REF1 REF2] [MATRIX]", nargs=-1)
@click.option(
    "--with",
    "packages",
    multiple=True,
    metavar="PACKAGES",
    help="A side's packages, as asyncpg==0.31.0, several with commas; give it twice, without REFs.",
)
@click.option(
    "--fail-on",
    multiple=True,
    metavar="WHAT",
    help="Exit 1 when the second side is slower[:3%] or fails with errors; may be repeated.",
)
@measuring
def ab_command(
    words: tuple[str, ...], packages: tuple[str, ...], fail_on: tuple[str, ...], **given: Any
) -> int:
    r"""Measure every stack of MATRIX (default: matrix.toml) as two sides serve it, in one run.

    A side is a revision of this repository, or this tree with other packages. A dot is the
    working tree. Both are up at the same time, and load goes to them in turns; results go into
    DIR/<name>-ab/. No checkout is touched.

    \b
    python -m harness ab HEAD~1 HEAD matrix.toml
    python -m harness ab HEAD . matrix.toml --only asyncpg
    python -m harness ab --with asyncpg==0.31.0 --with asyncpg==0.32.0 matrix.toml
    python -m harness ab --with psycopg==3.2.0,psycopg-pool==3.2.6 --with psycopg==3.3.9
    python -m harness ab origin/main HEAD matrix.toml --fail-on slower:5% --fail-on errors
    """
    wishes, gates = Wishes(**given), readable(fail_on)
    pair, path = asked(words, packages)
    chosen = chosen_matrix(path, **wishes.of_matrix)
    both = sides(pair, chosen.stacks)
    one, other = both
    measured = paired(chosen, (one.label, other.label))
    for each in both:
        click.echo(text(each), err=True)
    if wishes.plan_only:
        return plan(measured)

    def say(line: str) -> None:
        click.echo(line, err=True)

    def served(
        processes: Processes,
    ) -> contextlib.AbstractAsyncContextManager[tuple[Matrix, Origins]]:
        return ready(processes, both, measured, say)

    return measure(measured, path, wishes, served, lambda found: met(found, gates))
