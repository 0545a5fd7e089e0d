"""Every flag and every reason for an invalid cell, in words, with its threshold. Pure."""

import re
from collections.abc import Iterable, Mapping

from harness.thresholds import (
    DB_CPU_LEAST_US,
    DISTANCE_OFF,
    DRIFT,
    ERROR_PCT_FLAG,
    FOREIGN_CPU_CORES,
    GENERATOR_BUSY_FLAG,
    GENERATOR_BUSY_INVALID,
    GENERATOR_LAG_INVALID_MS,
    GENERATOR_LAG_MS,
    LITTLES_LAW,
    MAX_ERROR_PCT,
    MIN_WINDOW_S,
    RATE_KEPT,
    SCHEDULE_LAG,
    STEAL_PCT,
)

MEANINGS: Mapping[str, str] = {
    "drift": f"req/s changed by more than {100 * DRIFT:g} % from the first to the last third of"
    " the slices, beyond what their scatter explains.",
    "errors": f"More than {ERROR_PCT_FLAG:g} % of requests failed; with more than"
    f" {MAX_ERROR_PCT:g} % there is no verdict on speed.",
    "foreign": f"Processes that are not the run's used over {100 * FOREIGN_CPU_CORES:g} % of a core"
    " during the load. The setting was given one more block, if the budget allowed; both count.",
    "fragile": "The ratio hangs on a few odd blocks: its Hodges-Lehmann estimate, which they hardly"
    " move, lies outside the half-width of the interval.",
    "generator": f"The generator was busy over {100 * GENERATOR_BUSY_FLAG:g} % of the time; over"
    f" {100 * GENERATOR_BUSY_INVALID:g} % it measured itself, and the cell is invalid.",
    "lag": f"The generator kept answers waiting for over {GENERATOR_LAG_MS:g} ms (p99). Where they,"
    f" or its own timer, waited for over {GENERATOR_LAG_INVALID_MS:g} ms it did not get the CPU it"
    " wanted, and the cell is invalid.",
    "littles_law": f"Invalid: req/s x mean latency / connections was not within {LITTLES_LAW[0]:g}"
    f" to {LITTLES_LAW[1]:g}, give or take a latency at each window's edge.",
    "rate": f"Fewer than {100 * RATE_KEPT:g} % of the requests due were answered in the time: no"
    " verdict on p99.",
    "rtt": f"The round-trip time that was added differed by over {100 * DISTANCE_OFF:g} % from"
    " the one asked for.",
    "same_answer": "Invalid: its answer differed from that of the other stacks.",
    "schedule": f"The generator was late (p99) by over {100 * SCHEDULE_LAG:g} % of the stack's"
    " p99.",
    "sequential": "The stacks ran one at a time.",
    "steal": f"The hypervisor gave over {STEAL_PCT:g} % of the machine's time to others.",
    "wander": "The ratio moved, beyond chance, while the same servers were up or from block to"
    " block: the machine favours now one stack and now the other, so another run may have another"
    " ratio. More blocks of this run hardly tell: its interval is as wide as if there were one."
    " By chance one ratio in forty seems to do so.",
    "window": f"Invalid: less than {1000 * MIN_WINDOW_S:g} ms of load in all.",
    "work": "Invalid: by the database's own count there were fewer transactions, scans or rows"
    " than the answers need, or other rows inserted than were answered; or the stack's backends"
    f" used less than {DB_CPU_LEAST_US:g} us of CPU an answer.",
}
"""By name, as it stands in `flags` of cells.csv and in `flags` and `reason` of blocks.csv."""


def met(flags: Iterable[str]) -> list[tuple[str, str]]:
    """Return (name, meaning) of every doubt that occurs in `flags` of cells, by name."""
    words = {
        re.split(r"[: ]", each.removeprefix("invalid: "), maxsplit=1)[0]
        for joined in flags
        for each in joined.split("; ")
    }
    return [(name, meaning) for name, meaning in MEANINGS.items() if name in words]
