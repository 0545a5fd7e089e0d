"""What a block's connections do while it has load: in the database, in pools, at workers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from numpy import int64
from numpy.typing import NDArray

from harness import connections, waits
from harness.block.answers import Live
from harness.block.replication import Block, application_name
from harness.database.address import Session
from harness.database.pgbouncer import Bouncer
from harness.database.sampling import Seen, sampling
from harness.model import ConnectionsBlock, Stack
from harness.observe import workers

LOOK_EVERY_S = 0.1
LOOKS_MOST = 50
"""Clients connect at once when the load begins, and stay."""


@dataclass
class Watch:
    """What is `seen` in the database by application name, and of client connections by stack."""

    seen: Mapping[str, Seen]
    before: dict[str, NDArray[int64] | None]
    splits: dict[str, Sequence[int]] = field(default_factory=dict)

    def most(self, stack: Stack) -> int:
        """Return the most backends that `stack` was seen to have under its name."""
        return self.seen[application_name(stack)].most

    def found(self, stack: Stack, live: Live | None) -> ConnectionsBlock:
        """Return what was seen of `stack`; call it when its load has ended, and its server not."""
        before = self.before.get(stack.name)
        after = None if live is None else waits.read(live.server.checkouts)
        seen = self.seen[application_name(stack)]
        split = self.splits.get(stack.name, ())
        return connections.of_block(seen, waits.between(before, after), split)


@contextlib.asynccontextmanager
async def watching(
    session: Session | None, block: Block, stacks: Sequence[Stack], live: Sequence[Live]
) -> AsyncIterator[Watch]:
    """Watch the connections of `stacks`, of which the `live` ones have a server.

    `session` looks at those in the database; without one nothing is seen of them.
    """
    names = [application_name(each) for each in stacks]
    async with sampling(session, names, _bouncers(live)) as seen:
        watch = Watch(seen, {each.stack.name: waits.read(each.server.checkouts) for each in live})
        look = asyncio.create_task(_look(watch, block, live))
        try:
            yield watch
        finally:
            look.cancel()
            await asyncio.wait({look})


def _bouncers(live: Sequence[Live]) -> Mapping[str, Bouncer]:
    """Return the PgBouncers behind `live`, by the names of their stacks' backends."""
    return {
        application_name(each.stack): each.server.bouncer
        for each in live
        if each.server.bouncer is not None
    }


async def _look(watch: Watch, block: Block, live: Sequence[Live]) -> None:
    """Look at how each server's clients are split until all have come; a single worker has all.

    A search for a capacity opens connections as it goes, and has no one split.
    """
    waiting = list(live) if block.setting.workers > 1 else []
    for _ in range(LOOKS_MOST):
        for each in waiting:
            split = workers.connections(each.server.worker_pids, each.server.port)
            if split is not None and sum(split) == block.setting.concurrency:
                watch.splits[each.stack.name] = split
        waiting = [each for each in waiting if each.stack.name not in watch.splits]
        if not waiting:
            return
        await asyncio.sleep(LOOK_EVERY_S)
