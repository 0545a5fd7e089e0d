"""What the machine did meanwhile."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Machine:
    """What the machine did around a block's load, whoever made it do so.

    `foreign_cpu_cores` is CPU time of processes that are not the run's, over wall time;
    `steal_pct` machine time that the hypervisor gave to others; `pressure_pct` the time in
    which some process waited for a CPU; `load_average` that of the minute before the block.
    The probe is a fixed piece of work: CPU time and wall time it took after the load over
    before. `generator_late_p99_ms` is how late the generator's timer was served.
    All stacks that were up at the same time have the same values.
    """

    foreign_cpu_cores: float | None
    steal_pct: float | None
    pressure_pct: float | None
    load_average: float | None
    probe_cpu_ratio: float | None
    probe_wall_ratio: float | None
    generator_late_p99_ms: float | None
