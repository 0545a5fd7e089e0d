"""How many connections a server leaves for stacks, by its own limits and by who is there."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.database.address import Address

RUNNER = 4
"""The runner's own at most: its session, one that looks at connections, and two in reserve."""

DEFAULTS: Mapping[str, int] = {
    "max_connections": 100,
    "superuser_reserved_connections": 3,
    "reserved_connections": 0,
}
"""What Postgres takes where nothing is set (PostgreSQL documentation, 19.3.1)."""

ASKED = """
SELECT current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int
       + coalesce(current_setting('reserved_connections', true)::int, 0),
       (SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())
"""


@dataclass(frozen=True, slots=True)
class Room:
    """A server's limit, and what of it stacks cannot have."""

    max_connections: int
    reserved: int
    others: int

    @property
    def available(self) -> int:
        """How many connections stacks may hold between them."""
        return max(0, self.max_connections - self.reserved - self.others - RUNNER)

    def limit_for(self, connections: int) -> int:
        """Return the max_connections with which stacks could hold so many."""
        return connections + self.reserved + self.others + RUNNER

    def __str__(self) -> str:
        held = f", {self.others} held by others" * (self.others > 0)
        return (
            f"max_connections {self.max_connections} less {self.reserved} reserved{held} "
            f"and {RUNNER} for the run"
        )


async def room(address: Address) -> Room:
    """Ask the server. Call it while the asking connection is the only one of the run's."""
    async with await address.connect() as connection:
        found = await (await connection.execute(ASKED)).fetchone()
    assert found is not None, "a SELECT without FROM gives one row"
    return Room(*(int(str(each)) for each in found))


def embedded(settings: Mapping[str, object]) -> Room:
    """Return what a server of ours with these `settings` will have, before it is started.

    A value that is no number is left for Postgres to refuse, in its own words.
    """
    limits = {name: _number(settings.get(name), default) for name, default in DEFAULTS.items()}
    most = limits.pop("max_connections")
    return Room(most, sum(limits.values()), others=0)


def _number(value: object, default: int) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else default
