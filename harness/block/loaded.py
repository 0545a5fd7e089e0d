"""The load of a batch of stacks, and what was read of them and of their connections meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness import growth, noises, plan
from harness.bench import Bench
from harness.block.answers import Live
from harness.block.load import give_load
from harness.block.replication import Block, application_name
from harness.block.rounds import Rounds
from harness.block.watching import Watch, watching
from harness.ceilings import PGBENCH
from harness.database import activity, pgbouncer
from harness.database.address import Session
from harness.load.job import Answer, TargetAnswer
from harness.load.rounds import joined
from harness.model import ConnectionsBlock, Cost, Machine, MemoryBlock, Pooler, Stack
from harness.observation import NO_COST, NO_MACHINE
from harness.observe.cpu import process_cpu_ns
from harness.observe.memory import by_process_mib, peak_rss_mib, pss_mib, rss_mib
from harness.processes import tree


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the load of some stacks gave: by name the answers, and what each held meanwhile."""

    answer: Answer | None
    answers: Mapping[str, TargetAnswer]
    memory: Mapping[str, Cost]
    connections: Mapping[str, ConnectionsBlock]
    growth: Mapping[str, MemoryBlock]
    machine: Machine
    poolers: Mapping[str, Pooler]


async def under_load(
    bench: Bench,
    block: Block,
    stacks: Sequence[Stack],
    live: Sequence[Live],
    tool: str | None,
    load_average: float | None,
    looker: Session | None,
) -> Loaded:
    """Give the load, if there is anything to give it to, and read what was held meanwhile."""
    if not live and tool is None:
        return Loaded(None, {}, {}, {}, {}, NO_MACHINE, {})
    group, rounds = bench.matrix.group(block.setting.group), Rounds(live)
    before, ours = _bouncers_ns(live), () if looker is None else (looker.info.backend_pid,)
    async with watching(looker, block, stacks, live) as watch:
        for number in range(group.rounds):
            if number:
                await rounds.rest(bench, group)
            rounds.had(*await give_load(bench, block, live, tool, load_average, ours))
    after = _bouncers_ns(live)
    servers = {each.stack.name: each for each in live}
    memory = {name: await _memory(bench, each, watch) for name, each in servers.items()}
    workers_mib = {each.stack.name: by_process_mib(each.server.worker_pids) for each in live}
    await rounds.rest(bench, group)
    if tool is not None:
        clients = plan.connections(PGBENCH, block.setting)
        memory[PGBENCH.name] = replace(NO_COST, connections=clients)
    held = {each.name: watch.found(each, servers.get(each.name)) for each in stacks}
    grown = {
        name: growth.of_block(rounds.held[name], workers_mib[name], quiet=group.quiet is not None)
        for name in servers
    }
    answer = joined(rounds.answers)
    answers = {each.name: each for each in answer.targets}
    spent = {
        name: Pooler(_each_us(before[name], after[name], answers[name].answered)) for name in after
    }
    return Loaded(answer, answers, memory, held, grown, noises.worst(rounds.machines), spent)


def _bouncers_ns(live: Sequence[Live]) -> Mapping[str, int | None]:
    """Return the CPU time of the PgBouncers behind `live`, by stack."""
    bouncers = {each.stack.name: each.server.bouncer for each in live}
    return {
        name: process_cpu_ns(found.pid) for name, found in bouncers.items() if found is not None
    }


def _each_us(before_ns: int | None, after_ns: int | None, answers: int) -> float | None:
    if before_ns is None or after_ns is None or not answers:
        return None
    return (after_ns - before_ns) / 1000 / answers


async def _backends(bench: Bench, live: Live) -> list[int]:
    """Return the pids of a stack's backends, on the database's machine."""
    if live.server.bouncer is not None:
        async with await pgbouncer.console(live.server.bouncer) as console:
            return await pgbouncer.backends(console)
    return await activity.backends(bench.session, application_name(live.stack))


async def _memory(bench: Bench, live: Live, watch: Watch) -> Cost:
    """Read what the processes of a stack hold now, at the end of load, pools still open."""
    pids = tree(live.server.pid)
    backends = await _backends(bench, live)
    return Cost(
        app_cpu_us=None,
        db_cpu_us=None,
        load_cpu_us=None,
        rss_idle_mib=live.rss_idle_mib,
        rss_end_mib=rss_mib(pids),
        rss_peak_mib=peak_rss_mib(pids),
        pss_end_mib=pss_mib(pids),
        db_pss_mib=pss_mib(backends) if bench.postmaster_pid is not None else None,
        connections=max(len(backends), watch.most(live.stack)),
    )
