"""One cell in one block."""

from dataclasses import dataclass
from typing import Literal

from harness.model.capacity import Capacity
from harness.model.connections import ConnectionsBlock
from harness.model.cost import Cost
from harness.model.distance import Distance
from harness.model.errors import Errors
from harness.model.keys import Key
from harness.model.latency import Latency
from harness.model.machine import Machine
from harness.model.memory import MemoryBlock
from harness.model.openloop import OpenLoopBlock
from harness.model.pooler import Pooler
from harness.model.wire import Wire
from harness.model.work import Work

Schedule = Literal["interleaved", "sequential"]
Outcome = Literal["ok", "invalid", "failed", "unsupported"]


@dataclass(frozen=True, slots=True)
class Observation:
    """One cell in one block: a row of `blocks.csv`.

    `block` counts the blocks of a setting from 1; cells of one setting with the
    same `block` were measured together. `slices` windows of `window_s` in all.
    `drift` is req/s in the last third of the slices over that in the first, as far as
    the slices prove it (1 when they prove no change);
    `generator_busy` the share of its core the generator used in the windows,
    `lag_p99_ms` how long a ready answer waited for it. `flags` are doubts, joined by
    "; ". `reason` says why there is no number. `first_errors` is a JSON object with
    the first message of each class met, `latencies` every latency in the bins of
    `harness.histogram`. `generators` is how many processes gave the load,
    `parts` how the block went from its first slice to its last (`harness.parts`).
    """

    key: Key
    block: int
    schedule: Schedule
    slices: int
    slice_ms: float | None
    window_s: float | None
    requests: int
    rps: float | None
    mean_ms: float | None
    latency: Latency
    by_class: Errors
    cost: Cost
    littles_law: float | None
    drift: float | None
    generator_busy: float | None
    lag_p99_ms: float | None
    outcome: Outcome
    flags: str
    reason: str
    first_errors: str
    latencies: str
    machine: Machine
    work: Work
    open_loop: OpenLoopBlock
    generators: int | None
    capacity: Capacity = Capacity()
    distance: Distance = Distance()
    wire: Wire = Wire()
    pooler: Pooler = Pooler()
    connections: ConnectionsBlock = ConnectionsBlock()
    memory: MemoryBlock = MemoryBlock()
    parts: str = ""
