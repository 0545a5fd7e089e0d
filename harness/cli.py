"""The commands, their arguments, and how each ends: one line of error, one exit code."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from harness import __version__, matrix, preflight, stepsummary
from harness.arguments import (
    DEFAULT_COMMAND,
    LEFT_ALONE,
    Commands,
    Duration,
    Rate,
    groups_and_stacks,
    results_folders,
    stacks,
)
from harness.checkup import check
from harness.claims import judged
from harness.diff import command as diff
from harness.errors import BadInput, HarnessError, NothingMeasurable
from harness.history.command import history
from harness.load.command import LoadReport, json_bytes, run_load, text
from harness.matrix import Matrix, schema
from harness.processes import Processes, on_signals, watched
from harness.progress import shown
from harness.results.earlier import Earlier
from harness.results.exports import EXPORTS
from harness.results.markdown import report
from harness.results.rebuild import export, rebuild
from harness.results.store import Store, opened
from harness.resume import resumable
from harness.run import Outcome, run
from harness.sentences import sentences
from harness.serving import serve_stack
from harness.trace import trace
from harness.wire import story

Result = TypeVar("Result")

INTERRUPTED = 130
COMPLETE = "_HARNESS_COMPLETE"
"""Set by a shell that asks what could come next: of `harness`, as it completes no `python -m`."""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harness")
def commands() -> None:
    r"""Benchmark Postgres driver stacks behind the same asyncio service.

    What is no command is a matrix to measure.

    \b
    python -m harness matrix.toml            measure, and write results/matrix/
    python -m harness matrix.toml --help     what the main job can be told
    python -m harness check                  is everything fit for measuring?
    python -m harness diff HEAD~1 HEAD       what changed since?
    """


commands.help = str(commands.help).replace(*LEFT_ALONE)


@commands.command(DEFAULT_COMMAND, short_help="Measure a matrix (the default command).")
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
    chosen = _chosen(path, budget=budget, quick=quick, only=only, dsn=dsn, seed=seed)
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
            outcome = _with_processes(job)
        except asyncio.CancelledError:
            blocks = "nothing was measured"
            if store.observations:
                blocks = "what is done is there, and --resume goes on with it"
            click.echo(f"interrupted; {store.folder}: {blocks}", err=True)
            return INTERRUPTED
    return _end(chosen, outcome, store.folder, fail_on_invalid)


@commands.command("serve", short_help="Serve one stack's app until Ctrl-C.")
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
    chosen = _chosen(path, dsn=dsn)

    async def job(processes: Processes) -> None:
        await serve_stack(chosen, stack, port, processes, click.echo)

    with contextlib.suppress(asyncio.CancelledError):  # Ctrl-C is how it is meant to end
        _with_processes(job)
    return 0


@commands.command("trace", short_help="What one warm request says to its database.")
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
    chosen = _chosen(path, dsn=dsn)

    async def job(processes: Processes) -> story.Story:
        return await trace(chosen, stack, endpoint, processes)

    told = _with_processes(job)
    click.echo(story.json_bytes(told) if as_json else story.text(told))
    return 0


@commands.command("check", short_help="Does every stack start and answer alike?")
@click.argument("path", metavar="[MATRIX]", type=click.Path(path_type=Path), required=False)
@click.option("--dsn", metavar="DSN", help="Use this server, not the embedded Postgres.")
def check_command(path: Path | None, dsn: str | None) -> int:
    r"""Start every stack of MATRIX (default: matrix.toml) and compare their answers.

    \b
    python -m harness check
    python -m harness check harness/scenarios/aa.toml
    python -m harness check --dsn postgresql://me@127.0.0.1/bench
    """
    chosen = _chosen(path or Path("matrix.toml"), dsn=dsn)

    async def job(processes: Processes) -> bool:
        return await check(chosen, processes, click.echo)

    return 0 if _with_processes(job) else 1


@commands.command("load", short_help="Load one URL with the generator alone.")
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

    report = _with_processes(job)
    click.echo(json_bytes(report) if as_json else text(report))
    return 0 if report.requests else NothingMeasurable.exit_code


@commands.command("report", short_help="Make a folder's report again, or export it.")
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
        _write(export(folder, form), output)
    elif output is not None:
        raise BadInput("--output: goes with --export; without it the files of DIR are written")
    else:
        for name in rebuild(folder):
            click.echo(folder / name)
    return 0


@commands.command("schema", short_help="Print the JSON Schema of a matrix, for editors.")
def schema_command() -> int:
    r"""Print the JSON Schema of matrix.toml.

    Editors find it by a first line `#:schema PATH-OR-URL`; see docs/tools.md.

    \b
    python -m harness schema > matrix.schema.json
    """
    click.echo(schema.to_json(), nl=False)
    return 0


@commands.command("diff", short_help="What changed between two results?")
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
    _summarise(found.markdown())
    for line in found.failed:
        click.echo(line, err=True)
    return found.exit_code


@commands.command("history", short_help="How a ratio went from commit to commit.")
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
        _write(found.svg(), plot)
    for line in found.left_out:
        click.echo(line, err=True)
    click.echo(found.json() if as_json else found.text())
    return 0


def _chosen(
    path: Path,
    *,
    budget: float | None = None,
    quick: bool = False,
    only: Sequence[str] = (),
    dsn: str | None = None,
    seed: int | None = None,
) -> Matrix:
    """Return the matrix at `path` with the command line's changes to it."""
    read = matrix.read(path)
    if quick:
        read = matrix.quick(read)
    changes: dict[str, Any] = {}
    if budget is not None:
        changes["budget"] = budget
    if seed is not None:
        changes["seed"] = seed
    read = replace(read, run=replace(read.run, **changes))
    if dsn is not None:
        read = replace(read, database=replace(read.database, dsn=dsn))
    return matrix.narrowed(read, only) if only else read


def _plan(chosen: Matrix) -> int:
    """Print what would be done; a server that does not answer is no reason not to."""
    try:
        room = asyncio.run(preflight.room_of(chosen))
    except NothingMeasurable as error:
        click.echo(f"{error}; its connections are not known", err=True)
        room = None
    click.echo(preflight.text(chosen, room), nl=False)
    return 0


def _write(text: str, output: Path | None) -> None:
    """Write `text` to a file, or to stdout."""
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{output}: cannot be written: {error.strerror}") from None


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
    _summarise(report(measured, outcome.findings, outcome.environment))
    share = outcome.load_s / outcome.wall_s
    click.echo(
        f"{outcome.blocks} blocks in {outcome.wall_s:.0f} s, {share:.0%} of it load; "
        f"stopped because {outcome.why}.",
        err=True,
    )
    if not any(each.outcome == "ok" for each in summaries):
        return 3
    return 3 if fail_on_invalid and any(each.outcome == "invalid" for each in summaries) else 0


def _summarise(markdown: str) -> None:
    """Put `markdown` on the page of the workflow's run, if this is one; no fault if it fails."""
    failure = stepsummary.append(markdown)
    if failure:
        click.echo(failure, err=True)


def _with_processes(job: Callable[[Processes], Coroutine[Any, Any, Result]]) -> Result:
    """Run `job` with a `Processes` of its own, ended in order by SIGINT and SIGTERM.

    Raises CancelledError when a signal ended it.
    """

    async def guarded() -> Result:
        task = asyncio.current_task()
        assert task is not None
        with on_signals(task), watched() as processes:
            return await job(processes)

    return asyncio.run(guarded())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (default: the process's) name; return its exit code."""
    here = str(Path.cwd())
    if sys.path[:1] != [here]:
        sys.path.insert(0, here)  # an adapter of the user's is found where they stand
    try:
        code = commands.main(
            args=None if arguments is None else list(arguments),
            prog_name="harness" if COMPLETE in os.environ else "python -m harness",
            complete_var=COMPLETE,
            standalone_mode=False,
        )
    except HarnessError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    except click.exceptions.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        click.echo(f"error: {error.format_message()}", err=True)
        return BadInput.exit_code
    except asyncio.CancelledError:
        return INTERRUPTED
    except BrokenPipeError:  # the reader (head, less) has seen enough
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return int(code or 0)
