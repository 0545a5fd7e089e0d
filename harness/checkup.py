"""`check`: whether every stack starts and answers alike, and what to doubt of the machine."""

import os
from collections.abc import Callable

from harness import affinity, plan
from harness.bench import Bench, prepared
from harness.block import Live, verify
from harness.matrix import Matrix
from harness.model import Setting
from harness.naming import setting_text
from harness.processes import Processes

BUSY_LOAD = 0.5
"""Load average a core, before we do anything, above which somebody else is using the machine."""


async def check(matrix: Matrix, processes: Processes, say: Callable[[str], None]) -> bool:
    """Say what holds and what does not, a line each; True when every stack answers as it should."""
    places = affinity.places(matrix.run, affinity.usable())
    _doubt_machine(places, say)
    async with prepared(matrix, processes, places, lambda _: None) as bench:
        version, room = bench.facts.version, bench.room.available
        say(f"ok    database: Postgres {version}, {room} connections for stacks")
        answered = [await _setting(bench, each, say) for each in plan.settings(matrix)]
    return all(answered)


def _doubt_machine(places: affinity.Places, say: Callable[[str], None]) -> None:
    """Say what makes numbers less certain here; none of it makes a stack wrong."""
    cpus = affinity.usable()
    count = len(cpus) if cpus is not None else os.cpu_count() or 1
    if count < 2:
        say("doubt machine: one CPU; app, load and database take it from each other")
    elif places == affinity.ANYWHERE:
        say(f"doubt machine: {count} CPUs, nothing pinned: intervals will be wider")
    else:
        say(
            f"ok    machine: {count} CPUs; app on {_cpus(places.app)}, load on {_cpus(places.load)}"
        )
    load = os.getloadavg()[0] / count
    if load > BUSY_LOAD:
        say(f"doubt machine: load average {load:.1f} a core: something else is running")


async def _setting(bench: Bench, setting: Setting, say: Callable[[str], None]) -> bool:
    name = setting_text(setting, plan.settings(bench.matrix))
    found = await verify(bench, setting)
    for stack, each in found.items():
        if not isinstance(each, Live):
            word = "skip " if each.outcome == "unsupported" else "FAIL "
            say(f"{word} {name}: {stack}: {each.reason}")
    alike = [stack for stack, each in found.items() if isinstance(each, Live)]
    if alike:
        say(f"ok    {name}: same answers from {', '.join(alike)}")
    return all(isinstance(each, Live) or each.outcome == "unsupported" for each in found.values())


def _cpus(cpus: frozenset[int] | None) -> str:
    return "any" if cpus is None else ", ".join(map(str, sorted(cpus)))
