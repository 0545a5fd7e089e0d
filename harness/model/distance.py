"""How far away the database was."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Distance:
    """The round trips that were added to the database's own (`rtt_ms`); nothing where none were.

    `rtt_measured_ms` is the mean of pings before and after the load; `rtt_loaded_ms` adds by how
    much more the relay was late in the load, on the way there and back, than while pinged.
    """

    rtt_measured_ms: float | None = None
    rtt_loaded_ms: float | None = None
