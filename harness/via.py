"""What stands between a stack and its database when its matrix says `via`."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from harness import plan
from harness.bench import Bench
from harness.database.address import Address
from harness.database.pgbouncer import Bouncer, bouncer
from harness.model import Setting, Stack


@dataclass(frozen=True, slots=True)
class Way:
    """Where an app finds its database, and the PgBouncer that listens there, if one does."""

    address: Address
    bouncer: Bouncer | None


@contextlib.asynccontextmanager
async def way(
    bench: Bench, stack: Stack, setting: Setting, database: Address, application_name: str
) -> AsyncIterator[Way]:
    """Yield the way of `stack` to `database`: straight, or through a PgBouncer of its own.

    It may hold as many connections as the stack would. Raises `NotInstalled` where there is
    no PgBouncer, and `ServerFailed` when it does not start.
    """
    if stack.via is None:
        yield Way(database, None)
        return
    connections = plan.connections(stack, setting)
    async with bouncer(
        bench.processes,
        database,
        bench.session,
        application_name=application_name,
        pool_size=connections,
        clients=connections + setting.concurrency,
        cpus=bench.places.database,
    ) as found:
        yield Way(found.address, found)
