"""The main job: `python -m harness matrix.toml`."""

import asyncio
from pathlib import Path

import click
from rich.console import Console

from harness import preflight
from harness.arguments import DEFAULT_COMMAND, Duration, groups_and_stacks
from harness.claims import judged
from harness.commands.chosen import chosen_matrix
from harness.commands.output import summarise
from harness.commands.running import with_processes
from harness.errors import INTERRUPTED, BadInput, NothingMeasurable
from harness.matrix import Matrix
from harness.processes import Processes
from harness.progress import shown
from harness.results.earlier import Earlier
from harness.results.markdown import report
from harness.results.store import Store, opened
from harness.resume import resumable
from harness.run import Outcome, run
from harness.sentences import sentences


@click.command(DEFAULT_COMMAND, short_help="Measure a matrix (the default command).")
@click.argument("path", metavar="MATRIX", type=click.Path(path_type=Path))
@click.option("--budget", type=Duration(), metavar="TIME", help="Stop after this much wall time.")
@click.option("--quick", is_flag=True, help="Two short blocks of every cell.")
@click.option(
    "--only",
    multiple=True,
    metavar="GLOB",
    help="Groups or stacks to measure; may be repeated.",
    shell_complete=groups_and_stacks,
)
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    show_default=True,
    metavar="DIR",
    help="Results go into DIR/<name>/.",
)
@click.option("--dsn", metavar="DSN", help="Use this server, not the embedded Postgres.")
@click.option("--plan", "plan_only", is_flag=True, help="Print what would be done; start nothing.")
@click.option("--resume", is_flag=True, help="Go on with the blocks that are there already.")
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Order of blocks and slices.")
@click.option("--force", is_flag=True, help="Run stacks that need more connections than there are.")
@click.option("--no-progress", is_flag=True, help="Plain lines even on a terminal.")
@click.option("--fail-on-invalid", is_flag=True, help="Exit 3 when a cell came out invalid.")
def run_command(
    path: Path,
    budget: float | None,
    quick: bool,
    only: tuple[str, ...],
    results: Path,
    dsn: str | None,
    plan_only: bool,
    resume: bool,
    seed: int | None,
    force: bool,
    no_progress: bool,
    fail_on_invalid: bool,
) -> int:
    r"""Measure every cell of MATRIX and write tables and a report under results/.

    \b
    python -m harness matrix.toml
    python -m harness matrix.toml --quick
    python -m harness matrix.toml --plan
    python -m harness matrix.toml --only users --only 'asyncpg*' --budget 60s
    python -m harness matrix.toml --resume --budget 1h
    python -m harness matrix.toml --dsn postgresql://me@127.0.0.1/bench
    """
    chosen = chosen_matrix(path, budget=budget, quick=quick, only=only, dsn=dsn, seed=seed)
    if plan_only:
        return _plan(chosen)
    room = asyncio.run(preflight.room_of(chosen))
    refusals = preflight.refusals(chosen, room)
    for line in refusals:
        click.echo(f"{'forced' if force else 'error'}: {line}", err=True)
    if refusals and not force:
        return BadInput.exit_code
    opening = preflight.connections_text(chosen, room)
    console = Console(stderr=True)
    with opened(results / chosen.name) as store:
        earlier = _resumed(store, chosen, path) if resume else None

        async def job(processes: Processes) -> Outcome:
            with shown(console, live=not no_progress) as progress:
                return await run(chosen, path, store, processes, progress, opening, earlier)

        try:
            outcome = with_processes(job)
        except asyncio.CancelledError:
            blocks = "nothing was measured"
            if store.observations:
                blocks = "what is done is there, and --resume goes on with it"
            click.echo(f"interrupted; {store.folder}: {blocks}", err=True)
            return INTERRUPTED
    return _end(chosen, outcome, store.folder, fail_on_invalid)


def _plan(chosen: Matrix) -> int:
    """Print what would be done; a server that does not answer is no reason not to."""
    try:
        room = asyncio.run(preflight.room_of(chosen))
    except NothingMeasurable as error:
        click.echo(f"{error}; its connections are not known", err=True)
        room = None
    click.echo(preflight.text(chosen, room), nl=False)
    return 0


def _resumed(store: Store, chosen: Matrix, path: Path) -> Earlier | None:
    """Put what an earlier run left into `store`; say how much, and return how it was made."""
    found = resumable(store.folder, chosen, path)
    if found is None:
        click.echo(f"{store.folder}: nothing to resume; starting with the first block", err=True)
        return None
    earlier, blocks = found
    store.resume(blocks.observations, blocks.size)
    left_out = ""
    if blocks.unfinished:
        left_out = f"; {blocks.unfinished} lines of one that was never finished are left out"
    click.echo(f"{store.folder}: resumed after {store.blocks} blocks{left_out}", err=True)
    return earlier


def _end(measured: Matrix, outcome: Outcome, folder: Path, fail_on_invalid: bool) -> int:
    """Say where the results are and what they say; return the exit code."""
    summaries = outcome.findings.summaries.values()
    click.echo(f"{folder / 'report.md'}")
    for sentence in sentences(outcome.findings):
        click.echo(sentence)
    for claim in judged(measured, outcome.findings):
        click.echo(claim.sentence)
    summarise(report(measured, outcome.findings, outcome.environment))
    share = outcome.load_s / outcome.wall_s
    click.echo(
        f"{outcome.blocks} blocks in {outcome.wall_s:.0f} s, {share:.0%} of it load; "
        f"stopped because {outcome.why}.",
        err=True,
    )
    if not any(each.outcome == "ok" for each in summaries):
        return 3
    return 3 if fail_on_invalid and any(each.outcome == "invalid" for each in summaries) else 0
