"""What a request said to its database."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wire:
    """What one warm request of a cell said to its database, counted once in a run.

    `round_trips` is how often it had to wait for an answer (`harness.wire.conversation`).
    """

    round_trips: float | None = None
