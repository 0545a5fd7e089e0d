"""What a matrix would do, before anything is started: cells, connections, time. Pure."""

import math

from harness import plan
from harness.budget import BLOCK_OVERHEAD_S
from harness.duration import format_duration
from harness.matrix import Matrix
from harness.model import Setting
from harness.naming import setting_text
from harness.thresholds import P99_MIN_REQUESTS

POSTGRES_MAX_CONNECTIONS = 100
RESERVED = 3 + 2 + 2
"""superuser_reserved_connections, the two that are open when the run counts, and its reserve."""


def text(matrix: Matrix) -> str:
    """Return the lines that `--plan` prints."""
    settings = plan.settings(matrix)
    lines = [
        _line(matrix, setting, settings) + _few_requests(matrix, setting) for setting in settings
    ]
    cells = len(plan.cells(matrix))
    one_pass_s = sum(
        plan.block_s(matrix, matrix.group(each.group), BLOCK_OVERHEAD_S) for each in settings
    )
    passes = min(matrix.run.max_blocks, int(matrix.run.budget // one_pass_s))
    lines.append(
        f"{cells} cells in {len(settings)} setting{'s' * (len(settings) > 1)}; "
        f"one block of each takes about "
        f"{format_duration(round(one_pass_s))}, so a budget of "
        f"{format_duration(matrix.run.budget)} gives about {passes} blocks each"
    )
    if passes < matrix.run.min_blocks:
        lines.append(
            f"that is fewer than run.min_blocks ({matrix.run.min_blocks}): no verdicts; "
            "raise run.budget, or measure less with --only"
        )
    return "\n".join(lines) + "\n"


def _line(matrix: Matrix, setting: Setting, among: list[Setting]) -> str:
    group = matrix.group(setting.group)
    stacks = matrix.stacks_of(group)
    needed = {stack.name: plan.connections(stack, setting) for stack in stacks}
    room = _room(matrix)
    beside = {each.name: plan.connections(each, setting) for each in matrix.ceilings_of(group)}
    said = f"{setting_text(setting, among)}: {', '.join(needed)}"
    if group.slo is not None:
        said += (
            f"; capacity with {group.slo} over at most {setting.concurrency} connections of load"
        )
    if beside:
        said += f"; ceilings {', '.join(beside)}"
    together = sum(needed.values()) + sum(beside.values())
    if room is None:
        return f"{said}; {together} connections at once"
    if max(needed.values()) > room:
        most = max(needed, key=lambda name: needed[name])
        return f"{said}; {most} needs {needed[most]} connections of {room}: it will be refused some"
    if together > room:
        return f"{said}; {together} connections of {room}: one stack at a time"
    return f"{said}; {together} connections of {room}"


def _few_requests(matrix: Matrix, setting: Setting) -> str:
    """Say when an open loop's p99, which its stacks are compared in, will be blank."""
    requests = (setting.rate or math.inf) * matrix.run.measure
    if requests >= P99_MIN_REQUESTS:
        return ""
    return f"; about {requests:.0f} requests a block, and p99 takes {P99_MIN_REQUESTS}"


def _room(matrix: Matrix) -> int | None:
    """Return the connections an embedded server leaves for stacks; None for a user's server."""
    if matrix.database.dsn is not None:
        return None
    wanted = matrix.database.settings.get("max_connections", POSTGRES_MAX_CONNECTIONS)
    return int(wanted) - RESERVED
