"""One block: fresh servers for every stack of a setting, verified, loaded, observed, stopped."""

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from harness import endpoints, plan
from harness.bench import Bench
from harness.ceilings import NOOP, PGBENCH, SHARE, is_ceiling, what_applies
from harness.database import activity, pgbench
from harness.database.dataset import restore_users
from harness.endpoints import Call
from harness.errors import ServerFailed
from harness.load.http import request_bytes
from harness.load.job import Answer, Job, PgbenchTarget, Request, Target
from harness.load.process import carry_out
from harness.model import Cost, Key, Observation, Outcome, Schedule, Setting, Stack, key
from harness.observation import NO_COST, measured, unmeasured
from harness.observe.memory import peak_rss_mib, pss_mib, rss_mib
from harness.processes import tree
from harness.server import Server, fetch, serve
from harness.together import together

GENERATOR_GRACE_S = 15.0
"""On top of twice the load and some time-outs: after that the generator hangs, and is ended."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a stack has no number in a block."""

    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class Live:
    """A stack whose server is up and gave the right answers."""

    stack: Stack
    server: Server
    bodies: tuple[bytes, ...]
    pids: tuple[int, ...]
    rss_idle_mib: float | None


@dataclass(frozen=True, slots=True)
class Block:
    """One replication of a setting."""

    setting: Setting
    number: int
    schedule: Schedule
    calls: Sequence[Call]
    generators: int = 1


async def measure(
    bench: Bench, setting: Setting, number: int, generators: int
) -> list[Observation]:
    """Run block `number` of `setting`, with load from as many processes as `generators`.

    Returns one observation for each of its stacks, in their order, then of its ceilings.
    """
    stacks = [
        *bench.matrix.stacks_of(bench.matrix.group(setting.group)),
        *bench.matrix.ceilings,
    ]
    block = replace(_block(bench, setting, stacks, number), generators=generators)
    await restore_users(bench.address, bench.matrix.database.users)
    interleaved = block.schedule == "interleaved"
    batches = [stacks] if interleaved else [[stack] for stack in stacks]
    rows: list[Observation] = []
    for batch in batches:
        rows += await _batch(bench, block, batch)
    return rows


async def verify(bench: Bench, setting: Setting) -> dict[str, Live | Refused]:
    """Start every stack of `setting`, ask for every answer once, stop; what became of each."""
    stacks = bench.matrix.stacks_of(bench.matrix.group(setting.group))
    block = _block(bench, setting, stacks, 0)
    async with together([_served(bench, setting, stack) for stack in stacks]) as servers:
        return await _verified(block, stacks, servers)


async def _batch(bench: Bench, block: Block, stacks: Sequence[Stack]) -> list[Observation]:
    """Measure the stacks, and the ceilings, that are up at the same time."""
    served = [stack for stack in stacks if stack != PGBENCH]
    bench.say(f"starting {len(served)} server{'s' * (len(served) > 1)}")
    async with together([_served(bench, block.setting, stack) for stack in served]) as servers:
        bench.say("checking answers")
        found = await _verified(block, served, servers)
        live = [each for each in found.values() if isinstance(each, Live)]
        tool = bench.pgbench if PGBENCH in stacks else None
        answer = await _load(bench, block, live, tool) if live or tool else None
        costs = {each.stack.name: await _memory(bench, each) for each in live}
        bench.say("stopping")
    rows = []
    for stack in stacks:
        its_key = key(block.setting, stack)
        if stack == PGBENCH:
            rows.append(_pgbench_row(block, its_key, answer if tool else None))
            continue
        each = found[stack.name]
        if isinstance(each, Refused):
            rows.append(
                unmeasured(its_key, block.number, block.schedule, each.outcome, each.reason)
            )
        else:
            assert answer is not None
            rows.append(_observed(block, its_key, live.index(each), answer, costs[stack.name]))
    return rows


def _observed(block: Block, its_key: Key, index: int, answer: Answer, memory: Cost) -> Observation:
    row = measured(
        its_key,
        block.number,
        block.schedule,
        answer.targets[index],
        slice_s=answer.slice_s,
        lag_p99_ns=answer.lag_p99_ns,
        memory=memory,
        generators=answer.generators,
    )
    return what_applies(row) if is_ceiling(its_key) else row


def _pgbench_row(block: Block, its_key: Key, answer: Answer | None) -> Observation:
    """Return the row of pgbench, the last target of `answer`; without one there is no pgbench."""
    if answer is None:
        reason = pgbench.MISSING
        return unmeasured(its_key, block.number, block.schedule, "unsupported", reason)
    row = measured(
        its_key,
        block.number,
        block.schedule,
        answer.targets[-1],
        slice_s=answer.slice_s,
        lag_p99_ns=answer.lag_p99_ns,
        memory=replace(NO_COST, connections=plan.connections(PGBENCH, block.setting)),
    )
    return what_applies(row)


def _block(bench: Bench, setting: Setting, stacks: Sequence[Stack], number: int) -> Block:
    return Block(
        setting,
        number,
        plan.schedule(bench.matrix, setting, stacks, bench.available_connections),
        endpoints.calls_of(setting, bench.matrix.database.users),
    )


def _served(bench: Bench, setting: Setting, stack: Stack) -> AbstractAsyncContextManager[Server]:
    return serve(
        bench.processes,
        name=stack.name,
        adapter="adapters.noop" if stack == NOOP else stack.adapter,
        options=plan.options(stack, setting),
        dsn=bench.address.dsn(application_name(stack)),
        password=bench.address.password,
        workers=setting.workers,
        connections=setting.concurrency,
        cpus=bench.places.app,
    )


def application_name(stack: Stack) -> str:
    """Return the name under which the backends of `stack` are found in pg_stat_activity."""
    return f"harness-{stack.name}"  # at most 63 bytes, as names are at most 48


async def _verified(
    block: Block, stacks: Sequence[Stack], servers: Sequence[Server | BaseException]
) -> dict[str, Live | Refused]:
    """Ask every server every request once; keep those that answer alike."""
    found: dict[str, Live | Refused] = {}
    for stack, server in zip(stacks, servers, strict=True):
        if isinstance(server, ServerFailed):
            found[stack.name] = Refused("failed", str(server))
        elif isinstance(server, BaseException):
            raise server
        else:
            found[stack.name] = await _answers(block, stack, server)
    live = [each for each in found.values() if isinstance(each, Live) and each.stack != NOOP]
    if live and not any(call.varies for call in block.calls):
        # The answer most stacks give is taken for the right one; of equals, the first's.
        (right, _), *_ = Counter(each.bodies for each in live).most_common(1)
        for each in live:
            if each.bodies != right:
                found[each.stack.name] = Refused("invalid", _difference(block, each.bodies, right))
    return found


def _calls(block: Block, stack: Stack) -> Sequence[Call]:
    return [endpoints.NOOP] if stack == NOOP else block.calls


async def _answers(block: Block, stack: Stack, server: Server) -> Live | Refused:
    bodies = []
    for call in _calls(block, stack):
        try:
            answer = await fetch(server, call.method, call.path, call.body)
        except (OSError, ValueError) as error:
            said = str(error) or type(error).__name__
            return Refused("failed", f"{call.method} {call.path}: no answer: {said}")
        if answer.status != call.status:
            said = answer.body.decode(errors="replace")[:200]
            kind = answer.headers.get("x-error", "")
            if kind == "unsupported":
                return Refused("unsupported", said)
            return Refused("failed", f"{call.method} {call.path}: {answer.status} {kind}: {said}")
        bodies.append(answer.body)
    pids = tuple(tree(server.pid))
    return Live(stack, server, tuple(bodies), pids, rss_mib(pids))


def _difference(block: Block, mine: Sequence[bytes], right: Sequence[bytes]) -> str:
    for call, body, expected in zip(block.calls, mine, right, strict=True):
        if body != expected:
            at = next(
                (i for i, (a, b) in enumerate(zip(body, expected, strict=False)) if a != b),
                min(len(body), len(expected)),
            )
            part = body[max(0, at - 10) : at + 20].decode(errors="replace")
            wanted = expected[max(0, at - 10) : at + 20].decode(errors="replace")
            return (
                f"same_answer: {call.path} differs from the other stacks at byte {at}: "
                f"{part!r}, not {wanted!r}"
            )
    raise AssertionError("called for bodies that are equal")


async def _load(bench: Bench, block: Block, live: Sequence[Live], tool: str | None) -> Answer:
    """Load the `live` servers in turn with each other, and the database with `tool` if given."""
    run = bench.matrix.run
    address = bench.address
    with bench.processes.directory("pg-stack-harness-pgbench-") as folder:
        last = None if tool is None else _pgbench_target(bench, block.setting, tool, Path(folder))
        targets = tuple(_target(block, each) for each in live)
        parts = len(live) + (last is not None)
        job = Job(
            timeout_s=run.timeout,
            slice_s=run.slice,
            warmup_s=run.warmup,
            measure_s=run.measure,
            targets=targets,
            rounds=tuple(plan.rounds(bench.matrix, block.setting, block.number, parts)),
            postmaster_pid=bench.postmaster_pid,
            seed=run.seed,
            pgbench=last,
        )
        load_s = sum(job.shares) * (run.warmup + run.measure)
        bench.say(f"load: {load_s:.1f} s in slices of {run.slice * 1000:.0f} ms")
        return await carry_out(
            job,
            bench.processes,
            cpus=bench.places.load,
            deadline_s=2 * load_s + 4 * run.timeout + GENERATOR_GRACE_S,
            env=None if tool is None else pgbench.environment(os.environ, address.password),
            generators=block.generators if live else 1,
        )


def _pgbench_target(bench: Bench, setting: Setting, tool: str, folder: Path) -> PgbenchTarget:
    section, clients = bench.matrix.database, plan.connections(PGBENCH, setting)
    (folder / pgbench.SCRIPT).write_text(pgbench.script(setting, users=section.users))
    argv = pgbench.command(
        tool,
        setting,
        books=section.books,
        dsn=bench.address.dsn(application_name(PGBENCH)),
        clients=clients,
        folder=folder,
    )
    return PgbenchTarget(PGBENCH.name, argv, clients, str(folder), SHARE)


def _target(block: Block, live: Live) -> Target:
    host = f"{live.server.host}:{live.server.port}"
    requests = tuple(
        Request(
            raw=request_bytes(call.method, call.path, host, call.content),
            status=call.status,
            body=None if call.varies else body,
        )
        for call, body in zip(_calls(block, live.stack), live.bodies, strict=True)
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


async def _memory(bench: Bench, live: Live) -> Cost:
    """Read what the processes of a stack hold now, at the end of load, pools still open."""
    pids = tree(live.server.pid)
    backends = await activity.backends(bench.address, application_name(live.stack))
    return Cost(
        app_cpu_us=None,
        db_cpu_us=None,
        load_cpu_us=None,
        rss_idle_mib=live.rss_idle_mib,
        rss_end_mib=rss_mib(pids),
        rss_peak_mib=peak_rss_mib(pids),
        pss_end_mib=pss_mib(pids),
        db_pss_mib=pss_mib(backends) if bench.postmaster_pid is not None else None,
        connections=len(backends),
    )
