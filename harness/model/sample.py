"""What a choice and a plot want to know of each block of a cell."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """What the blocks of a cell that have a number measured, in the order of `blocks`.

    These are their numbers; None is a block without that figure. `parts` is how it
    went, empty where that is not known. `fell_behind` is whether all
    of them together answered fewer requests than were due.
    """

    blocks: tuple[int, ...]
    rps: tuple[float | None, ...]
    p95_ms: tuple[float | None, ...]
    p99_ms: tuple[float | None, ...]
    app_cpu_us: tuple[float | None, ...]
    rss_peak_mib: tuple[float | None, ...]
    parts: tuple[str, ...]
    fell_behind: bool
