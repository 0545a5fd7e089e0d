"""The rows beside the stacks of a setting that show how far from the limits they are. Pure.

A ceiling is measured in the same slices as the stacks, and is none of them: never a
baseline, never compared, never a reason for a run to fail.
"""

from dataclasses import replace

from harness.model import Distance, Key, Observation, Stack

NOOP = Stack("noop", "noop", "matched", {})
"""The same server asked for nothing that needs a database."""

PGBENCH = Stack("pgbench", "pgbench", "matched", {})
"""The database's own tool doing the endpoint's SQL over as many connections."""

ALL = (NOOP, PGBENCH)
NAMES = frozenset(each.name for each in ALL)

SHARE = 0.25
"""Of the warm-up and the load a stack gets. Ceilings are for orientation: a rate known to
some per cent is enough, and the time is better spent on what is compared."""


def is_ceiling(key: Key) -> bool:
    """Whether `key` names a ceiling's cell (no stack may have such a name)."""
    return key.stack in NAMES


def share(key: Key) -> float:
    """Return how much of a stack's warm-up and load the cell gets."""
    return SHARE if is_ceiling(key) else 1.0


def what_applies(row: Observation) -> Observation:
    """Return a ceiling's row without what it does not have.

    `noop` has no database. `pgbench` has no app, and is its own generator. It lets every
    client wait for its next turn between two transactions and counts that in neither, so
    that Little's law need not hold: 0.75 is ordinary for short ones.
    """
    if row.key.stack == NOOP.name:
        cost = replace(row.cost, db_cpu_us=None, db_pss_mib=None, connections=None)
        return replace(row, cost=cost, distance=Distance())
    return replace(row, littles_law=None, generator_busy=None, lag_p99_ms=None, generators=None)
