"""CPU, memory and connections."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """What a stack cost in one block, or on average over blocks.

    CPU is per good answer: the app's process tree, the database's client backends,
    the generator. Memory is the sum over the server's process tree: idle with the
    pool full before load, at the end of load, and at its peak; `db_pss_mib` is the
    stack's own backends. `connections` is the most backends it was seen to have.
    """

    app_cpu_us: float | None
    db_cpu_us: float | None
    load_cpu_us: float | None
    rss_idle_mib: float | None
    rss_end_mib: float | None
    rss_peak_mib: float | None
    pss_end_mib: float | None
    db_pss_mib: float | None
    connections: int | None
