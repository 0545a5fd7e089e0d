"""One block: fresh servers for every stack of a setting, verified, loaded, observed, stopped."""

import functools
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from harness import endpoints, plan, work
from harness.bench import Bench
from harness.database import activity
from harness.database.counters import counters
from harness.database.dataset import restore_users
from harness.endpoints import Call
from harness.errors import ServerFailed
from harness.load import pace
from harness.load.http import request_bytes
from harness.load.job import Answer, Job, Request, Target
from harness.load.pace import Pace
from harness.load.process import carry_out
from harness.load.search import longest_s
from harness.matrix import Matrix
from harness.model import Cost, Key, Machine, Observation, Outcome, Schedule, Setting, Stack, key
from harness.observation import NO_MACHINE, measured, unmeasured
from harness.observe import noise
from harness.observe.memory import peak_rss_mib, pss_mib, rss_mib
from harness.processes import tree
from harness.server import Server, fetch, serve
from harness.together import together

GENERATOR_GRACE_S = 15.0
"""On top of twice the load and some time-outs, among them one for each stack's last drain:
after that the generator hangs, and is ended."""


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


async def measure(bench: Bench, setting: Setting, number: int) -> list[Observation]:
    """Run block `number` of `setting`; one observation for each of its stacks, in their order."""
    stacks = bench.matrix.stacks_of(bench.matrix.group(setting.group))
    block = _block(bench, setting, stacks, number)
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
    """Measure the stacks that are up at the same time."""
    bench.say(f"starting {len(stacks)} server{'s' * (len(stacks) > 1)}")
    load_average, names = noise.load_average(), [application_name(each) for each in stacks]
    before = await counters(bench.address, names)
    async with together([_served(bench, block.setting, stack) for stack in stacks]) as servers:
        bench.say("checking answers")
        found = await _verified(block, stacks, servers)
        live = [each for each in found.values() if isinstance(each, Live)]
        answer, machine = None, NO_MACHINE
        if live:
            answer, machine = await _load(bench, block, live, load_average)
        costs = {each.stack.name: await _memory(bench, each) for each in live}
        bench.say("stopping")
    after = await counters(bench.address, names)
    rows = []
    for stack in stacks:
        each, its_key = found[stack.name], key(block.setting, stack)
        if isinstance(each, Refused):
            rows.append(
                unmeasured(its_key, block.number, block.schedule, each.outcome, each.reason)
            )
        else:
            assert answer is not None
            index, memory = live.index(each), costs[stack.name]
            rows.append(_observed(block, its_key, index, answer, memory, machine))
    if answer is None or before is None or after is None:
        return rows
    answers = {each.stack.name: one for each, one in zip(live, answer.targets, strict=True)}
    asked = _asked(bench, block, len(live), len(stacks))
    return work.credited(rows, answers, after.since(before), asked)


def _asked(bench: Bench, block: Block, live: int, stacks: int) -> work.Asked:
    section, calls = bench.matrix.database, len(block.calls)
    return work.Asked(
        block.setting,
        rows=work.rows_least(block.setting, section.users, section.books),
        verified=live * calls,
        refused=(stacks - live) * calls,
    )


def _observed(
    block: Block, its_key: Key, index: int, answer: Answer, memory: Cost, machine: Machine
) -> Observation:
    return measured(
        its_key,
        block.number,
        block.schedule,
        answer.targets[index],
        slice_s=answer.slice_s,
        lag_p99_ns=answer.lag_p99_ns,
        memory=memory,
        machine=machine,
    )


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
        adapter=stack.adapter,
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
    live = [each for each in found.values() if isinstance(each, Live)]
    if live and not any(call.varies for call in block.calls):
        # The answer most stacks give is taken for the right one; of equals, the first's.
        (right, _), *_ = Counter(each.bodies for each in live).most_common(1)
        for each in live:
            if each.bodies != right:
                found[each.stack.name] = Refused("invalid", _difference(block, each.bodies, right))
    return found


async def _answers(block: Block, stack: Stack, server: Server) -> Live | Refused:
    bodies = []
    for call in block.calls:
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


async def _load(
    bench: Bench, block: Block, live: Sequence[Live], load_average: float | None
) -> tuple[Answer, Machine]:
    """Give the load; what came back, and what the machine did meanwhile."""
    run, slo = bench.matrix.run, bench.matrix.group(block.setting.group).slo
    paced = _pace(bench.matrix, block)
    slice_s = pace.slice_s(run.slice, run.measure, paced.rate) if paced else run.slice
    job = Job(
        timeout_s=run.timeout,
        slice_s=slice_s,
        warmup_s=run.warmup,
        measure_s=run.measure,
        targets=tuple(_target(block, each) for each in live),
        rounds=tuple(plan.rounds(bench.matrix, block.setting, block.number, len(live))),
        postmaster_pid=bench.postmaster_pid,
        seed=run.seed,
        pace=paced,
        slo=slo,
    )
    searching = slo is not None
    load_s = plan.block_s(bench.matrix, len(live), 0.0, searching=searching)
    bench.say(
        f"searching the capacity with {slo}: about {load_s:.0f} s"
        if searching
        else f"load: {load_s:.1f} s in slices of {slice_s * 1000:.0f} ms"
    )
    most_s = 2 * load_s + (4 + len(live)) * run.timeout
    if searching:
        most_s = len(live) * longest_s(job)
    ours = None if bench.postmaster_pid is None else functools.partial(_our_pids, bench)
    first, before = noise.probe(), noise.read(ours)
    answer = await carry_out(
        job, bench.processes, cpus=bench.places.load, deadline_s=most_s + GENERATOR_GRACE_S
    )
    after, last = noise.read(ours), noise.probe()
    machine = noise.compared(before, after, (first, last), load_average, answer.late_p99_ns)
    return answer, machine


def _our_pids(bench: Bench) -> set[int]:
    """Return the runner, all below it, and the database, whoever started that."""
    postmaster = [] if bench.postmaster_pid is None else tree(bench.postmaster_pid)
    return {*tree(os.getpid()), *postmaster}


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
        for call, body in zip(block.calls, live.bodies, strict=True)
    )
    return Target(
        name=live.stack.name,
        host=live.server.host,
        port=live.server.port,
        connections=block.setting.concurrency,
        requests=requests,
        pids=live.pids,
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
