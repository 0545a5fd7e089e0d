"""What a matrix would do, before anything is started: cells, connections, time."""

import math
from collections.abc import Sequence

from harness import plan
from harness.budget import BLOCK_OVERHEAD_S
from harness.counted import counted
from harness.database import room
from harness.database.address import resolve
from harness.database.room import Room
from harness.duration import format_duration
from harness.matrix import Matrix
from harness.model import Setting, Stack
from harness.naming import names
from harness.thresholds import P99_MIN_REQUESTS


async def room_of(matrix: Matrix) -> Room:
    """Return the connections there are for stacks: a server of the user's is asked.

    Raises `BadInput` for a DSN that cannot be used, `NothingMeasurable` when nothing answers.
    """
    if matrix.database.dsn is None:
        return room.embedded(matrix.database.settings)
    return await room.room(await resolve(matrix.database.dsn))


def refusals(matrix: Matrix, found: Room) -> list[str]:
    """Return a line for every stack that cannot have its connections in a setting, even alone."""
    return [
        _refusal(matrix, found, setting, name, stack)
        for setting, name in names(plan.settings(matrix)).items()
        for stack in _too_large(matrix, setting, found)
    ]


def connections_text(matrix: Matrix, found: Room) -> str:
    """Return the line that a run begins with: what it may open at once, and of how many."""
    settings = plan.settings(matrix)
    most = max(sum(_needed(matrix, each).values()) for each in settings)
    said = f"connections: {min(most, found.available)} at most, of {found.available} ({found})"
    alone = sum(_sequential(matrix, each, found) for each in settings)
    if not alone:
        return said
    where = "" if len(settings) == 1 else f" in {alone} of {len(settings)} settings"
    return f"{said}; one stack at a time{where}, as they do not fit together"


def text(matrix: Matrix, found: Room | None) -> str:
    """Return the lines that `--plan` prints; None is a server that cannot be asked."""
    settings = plan.settings(matrix)
    lines = [
        _line(matrix, setting, name, found) + _few_requests(matrix, setting)
        for setting, name in names(settings).items()
    ]
    if found is not None:
        lines += [f"refused without --force: {each}" for each in refusals(matrix, found)]
    return "\n".join([*lines, *_time(matrix, settings)]) + "\n"


def _time(matrix: Matrix, settings: Sequence[Setting]) -> list[str]:
    cells = len(plan.cells(matrix))
    one_pass_s = sum(plan.block_s(matrix, each, BLOCK_OVERHEAD_S) for each in settings)
    passes = min(matrix.run.max_blocks, int(matrix.run.budget // max(one_pass_s, 1e-9)))
    said = (
        f"{counted(cells, 'cell')} in {counted(len(settings), 'setting')}; "
        f"one block of each takes about "
        f"{format_duration(round(one_pass_s))}, so a budget of "
        f"{format_duration(matrix.run.budget)} gives about {counted(passes, 'block')} each"
    )
    if passes >= matrix.run.min_blocks:
        return [said]
    few = (
        f"that is fewer than run.min_blocks ({matrix.run.min_blocks}): no verdicts; "
        "raise run.budget, or measure less with --only"
    )
    return [said, few]


def _line(matrix: Matrix, setting: Setting, name: str, found: Room | None) -> str:
    group = matrix.group(setting.group)
    beside = [each.name for each in matrix.ceilings_of(group)]
    needed = _needed(matrix, setting)
    stacks = [each for each in needed if each not in beside]
    said = f"{name}: {', '.join(stacks) or 'nothing to measure'}"
    for stack, reason in plan.refusals(matrix, setting).items():
        said += f"; {stack} unsupported: {reason}"
    if not stacks:
        return said
    if group.slo is not None:
        said += (
            f"; capacity with {group.slo} over at most {setting.concurrency} connections of load"
        )
    if beside:
        said += f"; ceilings {', '.join(beside)}"
    together = sum(needed.values())
    if found is None:
        return f"{said}; {together} connections at once"
    said += f"; {together} connections of {found.available}"
    return said + ": one stack at a time" * (together > found.available)


def _refusal(matrix: Matrix, found: Room, setting: Setting, name: str, stack: Stack) -> str:
    needed = plan.connections(stack, setting)
    key = "database.settings.max_connections"
    limit = key if matrix.database.dsn is None else "the server's max_connections"
    return (
        f"{name}: {stack.name} needs {needed} connections "
        f"({_arithmetic(stack, setting)}), and there are {found.available} ({found}): raise "
        f"{limit} to {found.limit_for(needed)}, make pool_size, workers or max_overflow smaller, "
        "or see with --force what fails"
    )


def _arithmetic(stack: Stack, setting: Setting) -> str:
    """Return how `plan.connections` comes to its number."""
    each = plan.connections(stack, setting) // setting.workers
    overflow = each - setting.pool_size
    workers = counted(setting.workers, "worker")
    more = f" + {overflow} of overflow" * (overflow > 0)
    return f"{workers} x (pool of {setting.pool_size}{more})"


def _needed(matrix: Matrix, setting: Setting) -> dict[str, int]:
    """Return the connections of every stack of `setting`, and of its ceilings, by name."""
    group = matrix.group(setting.group)
    members = [*plan.stacks(matrix, setting), *matrix.ceilings_of(group)]
    return {each.name: plan.connections(each, setting) for each in members}


def _too_large(matrix: Matrix, setting: Setting, found: Room) -> list[Stack]:
    stacks = plan.stacks(matrix, setting)
    return [each for each in stacks if plan.connections(each, setting) > found.available]


def _sequential(matrix: Matrix, setting: Setting, found: Room) -> bool:
    return sum(_needed(matrix, setting).values()) > found.available


def _few_requests(matrix: Matrix, setting: Setting) -> str:
    """Say when an open loop's p99, which its stacks are compared in, will be blank."""
    requests = (setting.rate or math.inf) * matrix.run.measure
    if requests >= P99_MIN_REQUESTS:
        return ""
    return f"; about {requests:.0f} requests a block, and p99 takes {P99_MIN_REQUESTS}"
