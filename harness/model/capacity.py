"""The most that keeps an SLO: of a block, and of a cell."""

from dataclasses import dataclass
from typing import Literal

CapacityLimit = Literal["", "slo", "connections", "time"]


@dataclass(frozen=True, slots=True)
class Capacity:
    """The capacity under an SLO that was found in one block; nothing in other cells.

    `capacity_rps` is the block's `rps`, measured over `capacity_concurrency` connections.
    `capacity_limit` says why there was no looking for more: the `slo` broke above, there
    were no more `connections` to try, or no `time`; with these two it is at least this.
    `capacity_probes` is the way there, as `harness.probes` writes it.
    """

    capacity_rps: float | None = None
    capacity_concurrency: int | None = None
    capacity_limit: CapacityLimit = ""
    capacity_probes: str = ""


@dataclass(frozen=True, slots=True)
class CapacitySummary:
    """The capacity of a cell over its blocks: the mean with its 95 % CI.

    `capacity_concurrency` is the median; `capacity_limit` is `slo` when it was in every block.
    """

    capacity_rps: float | None = None
    capacity_rps_lo: float | None = None
    capacity_rps_hi: float | None = None
    capacity_concurrency: int | None = None
    capacity_limit: CapacityLimit = ""
