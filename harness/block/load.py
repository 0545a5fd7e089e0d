"""The load of a block: the generator's job, and what the machine did while it was carried out."""

import contextlib
import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness import plan
from harness.bench import Bench
from harness.block.answers import Live
from harness.block.replication import Block, application_name
from harness.ceilings import NOOP, PGBENCH, SHARE
from harness.database import pgbench
from harness.load import pace
from harness.load.http import request_bytes
from harness.load.job import Answer, Job, PgbenchTarget, Request, Target
from harness.load.pace import Pace
from harness.load.process import carry_out
from harness.load.search import longest_s
from harness.matrix import Matrix
from harness.model import Machine
from harness.observe import noise
from harness.processes import tree

GENERATOR_GRACE_S = 15.0
"""On top of twice the load and some time-outs: after that the generator hangs, and is ended."""


async def give_load(
    bench: Bench,
    block: Block,
    live: Sequence[Live],
    tool: str | None,
    load_average: float | None,
    uncounted_pids: tuple[int, ...],
) -> tuple[Answer, Machine]:
    """Load the `live` servers in turn, and the database with `tool` (pgbench) if there is one.

    `uncounted_pids` are backends of the run's own. Returns what came back, and what the
    machine did meanwhile.
    """
    ours = None if bench.postmaster_pid is None else functools.partial(_our_pids, bench)
    with _job(bench, block, live, tool) as planned:
        job = replace(planned, uncounted_pids=uncounted_pids)
        bench.say(_said(bench.matrix, block, job))
        first, before = noise.probe(), noise.read(ours)
        answer = await carry_out(
            job,
            bench.processes,
            cpus=bench.places.load,
            deadline_s=_longest_s(job) + GENERATOR_GRACE_S,
            env=None if tool is None else pgbench.environment(os.environ, bench.address.password),
            generators=block.generators if live else 1,
        )
        after, last = noise.read(ours), noise.probe()
    machine = noise.compared(before, after, (first, last), load_average, answer.late_p99_ns)
    return answer, machine


@contextlib.contextmanager
def _job(bench: Bench, block: Block, live: Sequence[Live], tool: str | None) -> Iterator[Job]:
    """Yield the generator's job; what its pgbench reads and writes goes with the context."""
    run, setting = bench.matrix.run, block.setting
    paced = _pace(bench.matrix, block)
    parts = len(live) + (tool is not None)
    with bench.processes.directory("pg-stack-harness-pgbench-") as folder:
        yield Job(
            timeout_s=run.timeout,
            slice_s=pace.slice_s(run.slice, run.measure, paced.rate) if paced else run.slice,
            warmup_s=run.warmup,
            measure_s=run.measure,
            targets=tuple(_target(block, each) for each in live),
            rounds=tuple(plan.rounds(bench.matrix, setting, block.number, parts)),
            postmaster_pid=bench.postmaster_pid,
            seed=run.seed,
            pace=paced,
            slo=bench.matrix.group(setting.group).slo,
            pgbench=None if tool is None else _pgbench(bench, block, tool, Path(folder)),
        )


def _said(matrix: Matrix, block: Block, job: Job) -> str:
    group = matrix.group(block.setting.group)
    load_s = plan.load_s(matrix, group, sum(job.shares))
    if job.slo is not None:
        return f"searching the capacity with {job.slo}: about {load_s:.0f} s"
    return f"load: {load_s:.1f} s in slices of {job.slice_s * 1000:.0f} ms"


def _longest_s(job: Job) -> float:
    """Return how long the job may take: twice its load, and a time-out of each of its targets."""
    if job.slo is not None:
        return len(job.targets) * longest_s(job)
    load_s = sum(job.shares) * (job.warmup_s + job.measure_s)
    return 2 * load_s + (4 + len(job.shares)) * job.timeout_s


def _pace(matrix: Matrix, block: Block) -> Pace | None:
    """Return the block's schedule: one for all its stacks, another in every block."""
    rate = block.setting.rate
    if rate is None:
        return None
    return Pace(rate, f"{matrix.run.seed} pace {block.setting} {block.number}")


def _target(block: Block, live: Live) -> Target:
    host = f"{live.server.host}:{live.server.port}"
    requests = tuple(
        Request(
            raw=request_bytes(call.method, call.path, host, call.content),
            status=call.status,
            body=None if call.varies else body,
        )
        for call, body in zip(block.calls_to(live.stack), live.bodies, strict=True)
    )
    return Target(
        name=live.stack.name,
        host=live.server.host,
        port=live.server.port,
        connections=block.setting.concurrency,
        requests=requests,
        pids=live.pids,
        share=SHARE if live.stack == NOOP else 1.0,
    )


def _pgbench(bench: Bench, block: Block, tool: str, folder: Path) -> PgbenchTarget:
    section, setting = bench.matrix.database, block.setting
    clients = plan.connections(PGBENCH, setting)
    (folder / pgbench.SCRIPT).write_text(pgbench.script(setting, users=section.users))
    argv = pgbench.command(
        tool,
        setting,
        books=section.books,
        dsn=block.database.dsn(application_name(PGBENCH)),
        clients=clients,
        folder=folder,
    )
    return PgbenchTarget(PGBENCH.name, argv, clients, str(folder), SHARE)


def _our_pids(bench: Bench) -> set[int]:
    """Return the runner, all below it, and the database, whoever started that."""
    postmaster = [] if bench.postmaster_pid is None else tree(bench.postmaster_pid)
    return {*tree(os.getpid()), *postmaster}
