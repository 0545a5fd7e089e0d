"""What a block is to do, and how its servers are started."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from harness import endpoints, plan
from harness.bench import Bench
from harness.ceilings import NOOP
from harness.database.address import Address
from harness.endpoints import Call
from harness.model import Schedule, Setting, Stack
from harness.server import Server, serve
from harness.via import way

READY_WITHIN_S = 30.0
"""How long a server may take to start where the database is near."""

WARM_UP_TRIPS = 60
"""Round trips, at most, in which an adapter opens a connection and runs every statement on it."""


@dataclass(frozen=True, slots=True)
class Block:
    """One replication of a setting.

    `generators` is how many processes give the load, `database` where the stacks find it.
    """

    setting: Setting
    number: int
    schedule: Schedule
    calls: Sequence[Call]
    generators: int
    database: Address

    def calls_to(self, stack: Stack) -> Sequence[Call]:
        """Return the requests that make up the load on `stack`."""
        return [endpoints.NOOP] if stack == NOOP else self.calls


def replication(
    bench: Bench, setting: Setting, stacks: Sequence[Stack], number: int, generators: int
) -> Block:
    """Return block `number` of `setting`, in which `stacks` take part."""
    return Block(
        setting,
        number,
        plan.schedule(bench.matrix, setting, stacks, bench.room.available),
        endpoints.calls_of(setting, bench.matrix.database.users),
        generators,
        bench.address,
    )


@contextlib.asynccontextmanager
async def served(bench: Bench, block: Block, stack: Stack) -> AsyncIterator[Server]:
    """Yield the server of `stack`, with what stands between it and the database."""
    name, setting = application_name(stack), block.setting
    async with (
        way(bench, stack, setting, block.database, name) as found,
        serve(
            bench.processes,
            name=stack.name,
            adapter="adapters.noop" if stack == NOOP else stack.adapter,
            options=plan.options(stack, setting),
            dsn=found.address.dsn(name),
            password=found.address.password,
            workers=setting.workers,
            connections=setting.concurrency,
            cpus=bench.places.app,
            deadline_s=READY_WITHIN_S + setting.pool_size * WARM_UP_TRIPS * setting.rtt_ms / 1000,
            origin=bench.origin(stack),
        ) as server,
    ):
        yield replace(server, bouncer=found.bouncer)


def application_name(stack: Stack) -> str:
    """Return the name under which the backends of `stack` are found in pg_stat_activity."""
    return f"harness-{stack.name}"  # at most 63 bytes, as names are at most 48
