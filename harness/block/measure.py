"""A block from its first server's start to its last one's end; what it found, a row a stack."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness import plan, work
from harness.bench import Bench
from harness.block.answers import Live, Refused, alike, answered
from harness.block.loaded import Loaded, under_load
from harness.block.replication import Block, application_name, replication, served
from harness.ceilings import NOOP, PGBENCH, is_ceiling, what_applies
from harness.counted import counted
from harness.database import activity, pgbench
from harness.database.counters import counters
from harness.database.dataset import restore_users
from harness.database.sampling import looking
from harness.distance.far import Place, at_distance
from harness.distance.ping import NAME as PING
from harness.load.job import TargetAnswer
from harness.model import MemoryBlock, Observation, Setting, Stack, key
from harness.observation import measured, unmeasured
from harness.observe import noise
from harness.together import together


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of the stacks that were up at the same time, and how each had answered."""

    rows: Sequence[Observation]
    answers: Mapping[str, Live | Refused]


async def measure(
    bench: Bench, setting: Setting, number: int, generators: int
) -> list[Observation]:
    """Run block `number` of `setting`, with load from as many processes as `generators`.

    Returns one observation for each of its stacks, in their order, then of its ceilings.
    """
    taking_part = plan.stacks(bench.matrix, setting)
    ceilings = bench.matrix.ceilings_of(bench.matrix.group(setting.group)) if taking_part else ()
    stacks = [*taking_part, *ceilings]
    block = replication(bench, setting, stacks, number, generators)
    rows = _refused(bench, block)
    if taking_part:
        await restore_users(bench.session, bench.matrix.database.users)
        rows += _alike(
            block, [await _batch(bench, block, batch) for batch in _batches(block, stacks)]
        )
    order = [stack.name for stack in (*plan.members(bench.matrix, setting), *ceilings)]
    return sorted(rows, key=lambda row: order.index(row.key.stack))


async def verify(bench: Bench, setting: Setting) -> Mapping[str, Live | Refused]:
    """Start every stack of `setting`, ask for every answer once, stop; what became of each."""
    stacks = plan.stacks(bench.matrix, setting)
    block = replication(bench, setting, stacks, 0, 1)
    found: dict[str, Live | Refused] = {}
    async with placed(bench, block) as (block, _):
        for batch in _batches(block, stacks):
            async with together([served(bench, block, stack) for stack in batch]) as servers:
                found |= await answered(block, batch, servers)
    refused = plan.refusals(bench.matrix, setting)
    return {
        **alike(block, found),
        **{name: Refused("unsupported", reason) for name, reason in refused.items()},
    }


def _refused(bench: Bench, block: Block) -> list[Observation]:
    """Return the rows of the stacks that cannot do what the setting asks: nothing is started."""
    reasons = plan.refusals(bench.matrix, block.setting)
    return [
        unmeasured(
            key(block.setting, stack),
            block.number,
            block.schedule,
            "unsupported",
            reasons[stack.name],
        )
        for stack in plan.members(bench.matrix, block.setting)
        if stack.name in reasons
    ]


def _batches(block: Block, stacks: Sequence[Stack]) -> list[Sequence[Stack]]:
    """Return which stacks are up at the same time, batch after batch."""
    return [stacks] if block.schedule == "interleaved" else [[stack] for stack in stacks]


def _alike(block: Block, batches: Sequence[Batch]) -> list[Observation]:
    """Return the rows of `batches`; a stack that answered unlike most of them all has no number.

    Those that are up at the same time have been compared before their load. Of those that take
    turns nobody knows what most answer before all have had theirs.
    """
    answered = {name: each for batch in batches for name, each in batch.answers.items()}
    judged = alike(block, answered)
    rows = []
    for row in (row for batch in batches for row in batch.rows):
        name, found = row.key.stack, judged.get(row.key.stack)
        if isinstance(found, Refused) and found != answered[name]:
            row = unmeasured(row.key, row.block, row.schedule, found.outcome, found.reason)
        rows.append(row)
    return rows


@contextlib.asynccontextmanager
async def placed(bench: Bench, block: Block) -> AsyncIterator[tuple[Block, Place]]:
    """Yield the block with its database as far away as its setting says, and that place.

    A relay, if it takes one, is kept from the app's CPUs: it is no part of a stack.
    """
    rtt_ms, cpus = block.setting.rtt_ms, bench.places.load
    if rtt_ms:
        bench.say(f"putting the database {rtt_ms:g} ms away")
    async with at_distance(bench.address, rtt_ms, bench.processes, cpus) as place:
        yield replace(block, database=place.address), place


async def _batch(bench: Bench, block: Block, stacks: Sequence[Stack]) -> Batch:
    """Measure the stacks, and the ceilings, that are up at the same time."""
    async with placed(bench, block) as (block, place):
        batch = await _batch_at(bench, block, stacks, place)
        distance = await place.distance()
    rows = [replace(row, distance=distance) if row.outcome == "ok" else row for row in batch.rows]
    rows = [what_applies(row) if is_ceiling(row.key) else row for row in rows]
    return replace(batch, rows=rows)


async def _batch_at(bench: Bench, block: Block, stacks: Sequence[Stack], place: Place) -> Batch:
    with_server = [stack for stack in stacks if stack != PGBENCH]
    # Whoever is the first to start and to be connected to may be better off for all of the block.
    order = plan.starts(bench.matrix, block.setting, block.number, with_server)
    tool = bench.pgbench if PGBENCH in stacks else None
    bench.say(f"starting {counted(len(with_server), 'server')}")
    load_average, names = noise.load_average(), [*map(application_name, stacks), PING]
    before = await counters(bench.session, names)
    async with (
        looking(bench.address) as looker,
        together([served(bench, block, each) for each in order]) as servers,
    ):
        bench.say("checking answers")
        asked = await answered(block, order, servers)
        found = alike(block, {stack.name: asked[stack.name] for stack in with_server})
        live = [each for stack in order if isinstance(each := found[stack.name], Live)]
        await place.load_begins()
        loaded = await under_load(bench, block, stacks, live, tool, load_average, looker)
        await place.load_ended()
        bench.say("stopping")
    await activity.end_backends(bench.session, names)
    after = await counters(bench.session, names)
    rows = [_row(block, stack, found.get(stack.name), loaded) for stack in stacks]
    if before is not None and after is not None:
        rows = work.credited(
            rows, _of_the_database(loaded), after.since(before), _asked(bench, block, found)
        )
    return Batch(rows, found)


def _row(block: Block, stack: Stack, found: Live | Refused | None, loaded: Loaded) -> Observation:
    its_key = key(block.setting, stack)
    if stack == PGBENCH and stack.name not in loaded.answers:
        found = Refused("unsupported", pgbench.MISSING)
    if isinstance(found, Refused):
        return unmeasured(its_key, block.number, block.schedule, found.outcome, found.reason)
    answer = loaded.answer
    assert answer is not None
    row = measured(
        its_key,
        block.number,
        block.schedule,
        loaded.answers[stack.name],
        slice_s=answer.slice_s,
        lag_p99_ns=answer.lag_p99_ns,
        memory=loaded.memory[stack.name],
        machine=loaded.machine,
        generators=answer.generators,
    )
    return replace(
        row,
        connections=loaded.connections[stack.name],
        memory=loaded.growth.get(stack.name, MemoryBlock()),
        pooler=loaded.poolers.get(stack.name, row.pooler),
    )


def _of_the_database(loaded: Loaded) -> Mapping[str, TargetAnswer]:
    """Return the answers that took work of the database's."""
    return {name: each for name, each in loaded.answers.items() if name != NOOP.name}


def _asked(bench: Bench, block: Block, found: Mapping[str, Live | Refused]) -> work.Asked:
    section, calls = bench.matrix.database, len(block.calls)
    asked = [each for name, each in found.items() if name != NOOP.name]
    live = sum(isinstance(each, Live) for each in asked)
    return work.Asked(
        block.setting,
        rows=work.rows_least(block.setting, section.users, section.books),
        verified=live * calls,
        refused=(len(asked) - live) * calls,
    )
