"""What the connections of stacks are seen to do, from `pg_stat_activity`, while they have load.

All samples are one transaction, so that the database's own count of a block's work holds
one of ours, and one backend, whose CPU is to be charged to nobody.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from harness.database import pgbouncer
from harness.database.address import Address, Session
from harness.database.pgbouncer import Bouncer
from harness.errors import NothingMeasurable

EVERY_S = 0.25
"""Often enough for each stack of a block to be seen under load, at 0.2 % of a core."""

FORGET = "SELECT pg_stat_clear_snapshot()"

SAMPLE = """
SELECT coalesce(behind.name, application_name), state,
       CASE state WHEN 'idle' THEN query ELSE '' END, count(*)
FROM pg_stat_get_activity(NULL) LEFT JOIN unnest(%s::int[], %s::text[]) AS behind(pid, name)
     USING (pid)
WHERE coalesce(behind.name, application_name) = ANY(%s)
      AND backend_type = 'client backend' AND state IS NOT NULL
GROUP BY 1, 2, 3
"""
"""Not the view: that reads rows of the catalogue, which the database would count."""


@dataclass(slots=True)
class Seen:
    """The connections of one stack: the most at once, in all and by state.

    `last_statements` counts the idle ones of all samples by their last statement.
    """

    most: int = 0
    by_state: dict[str, int] = field(default_factory=dict)
    last_statements: Counter[str] = field(default_factory=Counter)

    def add(self, sample: Sequence[tuple[str, str, int]]) -> None:
        """Take in one sample: (state, last statement, connections)."""
        states: Counter[str] = Counter()
        for state, statement, count in sample:
            states[state] += count
            if state == "idle":
                self.last_statements[kind_of(statement)] += count
        self.most = max(self.most, states.total())
        for state, count in states.items():
            self.by_state[state] = max(self.by_state.get(state, 0), count)


@contextlib.asynccontextmanager
async def looking(address: Address) -> AsyncIterator[Session | None]:
    """Yield a session to look by, for stacks that are not there yet and may leave none.

    None when there is none even now: others are on the server, too.
    """
    try:
        session = await address.connect()
    except NothingMeasurable:
        yield None
        return
    async with session:
        yield session


@contextlib.asynccontextmanager
async def sampling(
    session: Session | None, application_names: Sequence[str], bouncers: Mapping[str, Bouncer]
) -> AsyncIterator[Mapping[str, Seen]]:
    """Look at the connections of `application_names` from now until the context ends.

    Yields what was seen so far, by name. `bouncers` are those behind which some of them are.
    """
    seen = {name: Seen() for name in application_names}
    if session is None:
        yield seen
        return
    stop = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        consoles = {
            name: await stack.enter_async_context(await pgbouncer.console(each))
            for name, each in bouncers.items()
        }
        task = asyncio.create_task(_sample(session, seen, consoles, stop))
        try:
            yield seen
        finally:
            stop.set()
            await task


async def _sample(
    session: Session, seen: Mapping[str, Seen], consoles: Mapping[str, Session], stop: asyncio.Event
) -> None:
    """Sample until told to stop, or until the server ends it: then what was seen has to do."""
    names = list(seen)
    with contextlib.suppress(psycopg.Error):
        async with session.transaction():
            while not stop.is_set():
                pids, whose = await _behind(consoles)
                rows = await (await session.execute(SAMPLE, (pids, whose, names))).fetchall()
                for name in names:
                    seen[name].add([_line(row) for row in rows if row[0] == name])
                await session.execute(FORGET)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), EVERY_S)


async def _behind(consoles: Mapping[str, Session]) -> tuple[list[int], list[str]]:
    """Return the backends that PgBouncers hold now, and beside each whose it is."""
    pids: list[int] = []
    whose: list[str] = []
    for name, console in consoles.items():
        held = await pgbouncer.backends(console)
        pids += held
        whose += [name] * len(held)
    return pids, whose


def _line(row: Sequence[object]) -> tuple[str, str, int]:
    _, state, statement, count = row
    return str(state), str(statement), int(str(count))


def kind_of(statement: str) -> str:
    """Return the first word of the last of several statements: `ROLLBACK`, `SELECT`, `RESET`."""
    parts = [part.split() for part in statement.split(";")]
    words = [part[0].upper() for part in parts if part]
    return words[-1] if words else "nothing"
