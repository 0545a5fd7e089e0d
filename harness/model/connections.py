"""What connections did under load: of a block, and of a cell."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Connections:
    """What a stack's connections were seen to do under load, its own and those of its pools.

    The peaks are the most backends in one state at once. `last_statement` is what most of the
    idle ones had done last, by its first word; others that are common follow after "; ". The
    wait is that of a request for a connection of its pool, however it ended. `worker_split`
    is how many connections of clients each of several workers had, as `29/19`.
    """

    connections_active: int | None = None
    connections_idle: int | None = None
    connections_idle_in_transaction: int | None = None
    last_statement: str = ""
    pool_wait_mean_ms: float | None = None
    pool_wait_p99_ms: float | None = None
    worker_split: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionsBlock:
    """The figures of one block, and what they are made of.

    `last_statements` is a JSON object of how often each was seen; `pool_waits` as `latencies`.
    """

    figures: Connections = Connections()
    last_statements: str = ""
    pool_waits: str = ""
