"""How a command measures a matrix: what it refuses, what it starts, and what it says at the end."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import click
from rich.console import Console

from harness import environment, preflight
from harness.claims import judged
from harness.commands.output import summarise
from harness.commands.running import with_processes
from harness.commands.wishes import Wishes
from harness.database.room import Room
from harness.errors import INTERRUPTED, BadInput, NothingMeasurable
from harness.findings import Findings
from harness.matrix import Matrix
from harness.origin import NOWHERE_ELSE, Origin
from harness.processes import Processes
from harness.progress import shown
from harness.results.earlier import Earlier
from harness.results.markdown import report
from harness.results.rebuild import findings
from harness.results.store import Store, opened
from harness.resume import resumable
from harness.run import Outcome, run
from harness.verdicts import verdicts

Origins = Mapping[str, Origin]
Served = Callable[[Processes], AbstractAsyncContextManager[tuple[Matrix, Origins]]]

FOUND = 1
"""The exit code of a run that found what `--fail-on` names."""


def plan(chosen: Matrix) -> int:
    """Print what would be done; a server that does not answer is no reason not to."""
    try:
        room = asyncio.run(preflight.room_of(chosen))
    except NothingMeasurable as error:
        click.echo(f"{error}; its connections are not known", err=True)
        room = None
    click.echo(preflight.text(chosen, room), nl=False)
    return 0


def measure(
    chosen: Matrix,
    path: Path,
    wishes: Wishes,
    served: Served | None = None,
    failing: Callable[[Findings], Sequence[str]] = lambda _: (),
) -> int:
    """Measure `chosen`, which was read from `path`, and say what came of it; the exit code.

    `served` makes what the sides of its stacks are served from, and completes the matrix;
    `failing` returns a line for everything that it is to fail on.
    """
    room = asyncio.run(preflight.room_of(chosen))
    if _refused(chosen, room, wishes):
        return BadInput.exit_code
    opening = preflight.connections_text(chosen, room)
    console = Console(stderr=True)
    with opened(wishes.results / chosen.name) as store:

        def earlier(complete: Matrix, origins: Origins) -> Earlier | None:
            return _resumed(store, complete, path, origins) if wishes.resume else None

        # Before anything is started, unless what the sides are made of is to be compared, too.
        found = earlier(chosen, NOWHERE_ELSE) if served is None else None

        async def job(processes: Processes) -> tuple[Matrix, Outcome]:
            async with _served(served, processes, chosen) as (complete, origins):
                before = found if served is None else earlier(complete, origins)
                with shown(console, live=not wishes.no_progress) as progress:
                    outcome = await run(
                        complete, path, store, processes, progress, opening, before, origins
                    )
                return complete, outcome

        try:
            measured, outcome = with_processes(job)
        except asyncio.CancelledError:
            blocks = "nothing was measured"
            if store.blocks:
                blocks = "what is done is there, and --resume goes on with it"
                summarise(lambda: _so_far(store.folder))
            click.echo(f"interrupted; {store.folder}: {blocks}", err=True)
            return INTERRUPTED
    return _end(measured, outcome, store.folder, wishes, failing(outcome.findings))


def _refused(chosen: Matrix, room: Room, wishes: Wishes) -> bool:
    """Say which stacks cannot have their connections; tell whether that is the end of it."""
    refusals = preflight.refusals(chosen, room)
    for line in refusals:
        click.echo(f"{'forced' if wishes.force else 'error'}: {line}", err=True)
    return bool(refusals) and not wishes.force


def _served(
    served: Served | None, processes: Processes, chosen: Matrix
) -> AbstractAsyncContextManager[tuple[Matrix, Origins]]:
    return contextlib.nullcontext((chosen, NOWHERE_ELSE)) if served is None else served(processes)


def _resumed(store: Store, chosen: Matrix, path: Path, origins: Origins) -> Earlier | None:
    """Put what an earlier run left into `store`; say how much, and return how it was made."""
    found = resumable(store.folder, chosen, path, origins)
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


def _so_far(folder: Path) -> str:
    """Return the report of a run that did not get to its end, of what it wrote."""
    path = folder / "env.json"
    described = environment.from_json(path.read_bytes(), str(path))
    return report(*findings(folder), described)


def _end(
    measured: Matrix, outcome: Outcome, folder: Path, wishes: Wishes, failed: Sequence[str]
) -> int:
    """Say where the results are and what they say; return the exit code."""
    outcomes = {each.outcome for each in outcome.findings.summaries.values()}
    click.echo(f"{folder / 'report.md'}")
    for sentence in verdicts(measured, outcome.findings):
        click.echo(sentence)
    for claim in judged(measured, outcome.findings):
        click.echo(claim.sentence)
    summarise(lambda: report(measured, outcome.findings, outcome.environment))
    share = outcome.load_s / outcome.wall_s
    click.echo(
        f"{outcome.blocks} blocks in {outcome.wall_s:.0f} s, {share:.0%} of it load; "
        f"stopped because {outcome.why}.",
        err=True,
    )
    for line in failed:
        click.echo(line, err=True)
    if "ok" not in outcomes or (wishes.fail_on_invalid and "invalid" in outcomes):
        return NothingMeasurable.exit_code
    return FOUND if failed else 0
