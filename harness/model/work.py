"""What the database did."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Work:
    """What the database did by its own count, for each good answer of a whole block.

    `transactions` are commits and rollbacks, `scans` how often the endpoint's table was
    read (None for an insert), `rows` those it read, or inserted. There must be at least
    `rows_least`, and for an insert at most `rows_most`: one each, and those of failed requests.
    """

    transactions: float | None
    scans: float | None
    rows: float | None
    rows_least: float | None
    rows_most: float | None
