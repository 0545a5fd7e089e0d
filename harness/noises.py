"""What the machine did beside a run, block by block -> a part of the report. Pure."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.model import Machine, Observation
from harness.observation import NO_MACHINE


@dataclass(frozen=True, slots=True)
class Line:
    """One column of `Machine`: its words, and which of two values is the worse."""

    name: str
    says: str
    badness: Callable[[float], float] = float


def _off_one(ratio: float) -> float:
    return abs(ratio - 1)


LINES = (
    Line("foreign_cpu_cores", "CPU of other processes, cores"),
    Line("steal_pct", "stolen by the hypervisor, %"),
    Line("pressure_pct", "time in which some process waited for a CPU, %"),
    Line("load_average", "load average before the block"),
    Line("probe_cpu_ratio", "CPU time of a fixed work, after over before", _off_one),
    Line("probe_wall_ratio", "wall time of a fixed work, after over before", _off_one),
    Line("generator_late_p99_ms", "generator's timer late, p99, ms"),
)


def of_blocks(observations: Iterable[Observation]) -> list[Machine]:
    """Return what was read around each load of a setting: once for all stacks that shared it."""
    found: dict[tuple[int, str | None], Machine] = {}
    for row in observations:
        alone = row.key.stack if row.schedule == "sequential" else None
        # Those who shared it have the same record as a rule: it is looked at once.
        if row.machine is not found.get((row.block, alone)) and row.machine != NO_MACHINE:
            found[row.block, alone] = row.machine
    return list(found.values())


def worst(machines: Sequence[Machine]) -> Machine:
    """Return the worst of every column."""
    return Machine(
        **{
            line.name: max(_values(machines, line.name), key=line.badness, default=None)
            for line in LINES
        }
    )


def rows(machines: Sequence[Machine]) -> list[list[str]]:
    """Return for each column that was read: its words, its median, its worst."""
    return [
        [line.says, _number(statistics.median(values)), _number(max(values, key=line.badness))]
        for line in LINES
        if (values := _values(machines, line.name))
    ]


def missing(machines: Sequence[Machine]) -> list[str]:
    """Return the words of the columns that were read in no block."""
    return [line.says.partition(",")[0] for line in LINES if not _values(machines, line.name)]


def _values(machines: Sequence[Machine], name: str) -> list[float]:
    return [value for each in machines if (value := getattr(each, name)) is not None]


def _number(value: float) -> str:
    return f"{value:.3g}"
