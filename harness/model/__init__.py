"""The records that flow from a matrix to a report. Frozen: nothing is edited once recorded.

matrix -> plan (settings, cells) -> block -> observation -> summary -> report.

The fields of `Observation`, `Summary` and `Comparison`, with those of the records
inside them laid flat, are the columns of `blocks.csv`, `cells.csv` and `pairs.csv`,
in this order. None is an empty field: nothing was measured, never a zero.
"""

from harness.model.capacity import Capacity, CapacityLimit, CapacitySummary
from harness.model.comparison import Comparison, Metric, Verdict
from harness.model.connections import Connections, ConnectionsBlock
from harness.model.cost import Cost
from harness.model.distance import Distance
from harness.model.errors import ERROR_CLASSES, Errors
from harness.model.keys import Key, key
from harness.model.latency import Latency
from harness.model.machine import Machine
from harness.model.memory import Memory, MemoryBlock
from harness.model.observation import Observation, Outcome, Schedule
from harness.model.openloop import OpenLoop, OpenLoopBlock
from harness.model.pooler import Pooler
from harness.model.sample import Sample
from harness.model.setting import DEFAULT_LIMITS, Endpoint, Setting
from harness.model.stack import Lane, Stack, Via
from harness.model.summary import Summary
from harness.model.wire import Wire
from harness.model.work import Work

__all__ = [
    "DEFAULT_LIMITS",
    "ERROR_CLASSES",
    "Capacity",
    "CapacityLimit",
    "CapacitySummary",
    "Comparison",
    "Connections",
    "ConnectionsBlock",
    "Cost",
    "Distance",
    "Endpoint",
    "Errors",
    "Key",
    "Lane",
    "Latency",
    "Machine",
    "Memory",
    "MemoryBlock",
    "Metric",
    "Observation",
    "OpenLoop",
    "OpenLoopBlock",
    "Outcome",
    "Pooler",
    "Sample",
    "Schedule",
    "Setting",
    "Stack",
    "Summary",
    "Verdict",
    "Via",
    "Wire",
    "Work",
    "key",
]
