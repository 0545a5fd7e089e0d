"""What a block's connections do while it has load: in the database, in pools, at workers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from numpy import int64
from numpy.typing import NDArray

from harness import connections, waits
from harness.bench import Bench
from harness.block.answers import Live
from harness.block.replication import Block, application_name
from harness.database.sampling import Sampling, Seen, sampling
from harness.model import ConnectionsBlock, Stack
from harness.observe import workers

LOOK_EVERY_S = 0.1
LOOKS_MOST = 50
"""Clients connect at once when the load begins, and stay."""


@dataclass
class Watch:
    """What is seen: `sampling` in the database, `splits` of client connections by stack."""

    sampling: Sampling
    before: dict[str, NDArray[int64] | None]
    splits: dict[str, Sequence[int]] = field(default_factory=dict)

    @property
    def backend_pids(self) -> tuple[int, ...]:
        """The backends whose CPU is to be charged to nobody."""
        pid = self.sampling.backend_pid
        return () if pid is None else (pid,)

    def most(self, stack: Stack) -> int:
        """Return the most backends that `stack` was seen to have under its name."""
        return self.sampling.seen[application_name(stack)].most

    def found(self, stack: Stack, live: Live | None) -> ConnectionsBlock:
        """Return what was seen of `stack`; call it when its load has ended, and its server not."""
        before = self.before.get(stack.name)
        after = None if live is None else waits.read(live.server.checkouts)
        seen = self.sampling.seen[application_name(stack)]
        if live is not None and live.server.bouncer is not None:
            seen = Seen()  # behind a PgBouncer they lose their name: some would pass for all
        split = self.splits.get(stack.name, ())
        return connections.of_block(seen, waits.between(before, after), split)


@contextlib.asynccontextmanager
async def watching(
    bench: Bench, block: Block, stacks: Sequence[Stack], live: Sequence[Live]
) -> AsyncIterator[Watch]:
    """Watch the connections of `stacks`, of which the `live` ones have a server."""
    names = [application_name(each) for each in stacks]
    async with sampling(bench.address, names) as sampled:
        watch = Watch(
            sampled, {each.stack.name: waits.read(each.server.checkouts) for each in live}
        )
        look = asyncio.create_task(_look(watch, block, live))
        try:
            yield watch
        finally:
            look.cancel()
            await asyncio.wait({look})


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
