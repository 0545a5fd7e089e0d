"""One cell over all its blocks."""

from dataclasses import dataclass

from harness.model.capacity import CapacitySummary
from harness.model.connections import Connections
from harness.model.cost import Cost
from harness.model.distance import Distance
from harness.model.errors import Errors
from harness.model.keys import Key
from harness.model.latency import Latency
from harness.model.memory import Memory
from harness.model.observation import Outcome
from harness.model.openloop import OpenLoop
from harness.model.pooler import Pooler
from harness.model.wire import Wire


@dataclass(frozen=True, slots=True)
class Summary:
    """One cell over all its blocks: a row of `cells.csv`. `rps_lo` to `rps_hi`: 95 % CI."""

    key: Key
    blocks: int
    requests: int
    rps: float | None
    rps_lo: float | None
    rps_hi: float | None
    latency: Latency
    errors: int
    error_pct: float | None
    by_class: Errors
    cost: Cost
    littles_law: float | None
    outcome: Outcome
    flags: str
    open_loop: OpenLoop
    capacity: CapacitySummary = CapacitySummary()
    distance: Distance = Distance()
    wire: Wire = Wire()
    pooler: Pooler = Pooler()
    connections: Connections = Connections()
    memory: Memory = Memory()
