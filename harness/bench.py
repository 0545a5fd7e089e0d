"""What the blocks of a run stand on: a database that holds the dataset, and places to run."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from harness.affinity import Places
from harness.database import activity, pgbench
from harness.database.activity import Facts
from harness.database.address import Address, Session, resolve
from harness.database.dataset import dataset
from harness.database.embedded import cluster
from harness.database.room import Room, room
from harness.matrix import DatabaseSection, Matrix
from harness.model import Stack
from harness.origin import NOWHERE_ELSE, Origin
from harness.processes import Processes


@dataclass(frozen=True)
class Bench:
    """Everything the blocks of a run share.

    `session` is what questions are asked by while stacks may hold every other connection;
    `postmaster_pid` is None when the database's processes cannot be seen from here;
    `say` is told each phase that begins. `origins` are those of the sides of the stacks.
    """

    matrix: Matrix
    processes: Processes
    address: Address
    session: Session
    postmaster_pid: int | None
    facts: Facts
    room: Room
    places: Places
    say: Callable[[str], None]
    origins: Mapping[str, Origin]

    def origin(self, stack: Stack) -> Origin | None:
        """Return where the code of `stack` comes from; None is here."""
        return None if stack.side is None else self.origins[stack.side]

    @property
    def pgbench(self) -> str | None:
        """The path of the database's own load tool; None where there is none."""
        return pgbench.executable(embedded=self.matrix.database.dsn is None)


@contextlib.asynccontextmanager
async def prepared(
    matrix: Matrix,
    processes: Processes,
    places: Places,
    say: Callable[[str], None],
    origins: Mapping[str, Origin] = NOWHERE_ELSE,
) -> AsyncIterator[Bench]:
    """Yield a bench for `matrix`; its database, if it is ours, and its tables go with it."""
    section = matrix.database
    async with contextlib.AsyncExitStack() as stack:
        say("starting Postgres" if section.dsn is None else "connecting")
        address, postmaster_pid = await stack.enter_async_context(
            _database(section, processes, places)
        )
        left = await room(address)  # before any connection of ours stays open
        say("filling the tables")
        session = await stack.enter_async_context(
            dataset(address, users=section.users, books=section.books)
        )
        yield Bench(
            matrix=matrix,
            processes=processes,
            address=address,
            session=session,
            postmaster_pid=postmaster_pid,
            facts=await activity.facts(address),
            room=left,
            places=places,
            say=say,
            origins=origins,
        )


@contextlib.asynccontextmanager
async def _database(
    section: DatabaseSection, processes: Processes, places: Places
) -> AsyncIterator[tuple[Address, int | None]]:
    if section.dsn is None:
        async with cluster(processes, section.settings, places.database) as embedded:
            yield embedded
    else:
        address = await resolve(section.dsn)
        yield address, await activity.local_postmaster(address)
