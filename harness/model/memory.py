"""What a server held, and how that grew: of a block, and of a cell."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Memory:
    """What a server held in memory beyond its `Cost`, and how that grew with its answers.

    `rss_per_worker` is each worker's at the end of load, as `60.9/61.3`; `rss_quiet_mib` the
    process tree's after the quiet that a group asked for. The growth is the slope over
    several rounds of load on the same server, with its 95 % interval.
    """

    rss_per_worker: str = ""
    rss_quiet_mib: float | None = None
    rss_growth_kib_per_1000: float | None = None
    rss_growth_lo: float | None = None
    rss_growth_hi: float | None = None


@dataclass(frozen=True, slots=True)
class MemoryBlock:
    """The figures of one block, and the rounds behind them.

    `rss_rounds` is a JSON list of (good answers so far, resident MiB), one for each round.
    """

    figures: Memory = Memory()
    rss_rounds: str = ""
