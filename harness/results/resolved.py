"""The matrix as it was resolved, as TOML: what a run measured, and what `report` needs again."""

from dataclasses import asdict
from typing import Any

import tomli_w

from harness.duration import format_duration
from harness.matrix import Matrix

DURATIONS = ("budget", "warmup", "measure", "slice", "timeout")


def to_toml(matrix: Matrix) -> str:
    """Return `matrix.toml` of a results folder. It holds no DSN: that may hold a password."""
    run = asdict(matrix.run) | {"name": matrix.name}
    run |= {name: format_duration(run[name]) for name in DURATIONS}
    database = asdict(matrix.database)
    del database["dsn"]
    document = {
        "run": run,
        "database": database,
        "stack": [
            {
                "name": stack.own_name,
                "adapter": stack.adapter,
                "lane": stack.lane,
                "via": stack.via,
                "side": stack.side,
                "options": {k: v for k, v in stack.options.items() if k != "pool_size"},
            }
            for stack in matrix.stacks.values()
        ],
        "group": [_group(matrix, index) for index in range(len(matrix.groups))],
        "claim": [asdict(each) for each in matrix.claims] or None,
    }
    return tomli_w.dumps(_without_none(document))


def _group(matrix: Matrix, index: int) -> dict[str, Any]:
    group = matrix.groups[index]
    return asdict(group) | {
        "stacks": [stack.name for stack in matrix.stacks_of(group)],
        "baseline": matrix.baseline_of(group),
        "quiet": None if group.quiet is None else format_duration(group.quiet),
        "rtt": [format_duration(each) for each in group.rtt],
        "slo": None if group.slo is None else str(group.slo),
        "options": group.options or None,
    }


def _without_none(value: Any) -> Any:
    """TOML has no null: a key that is not set is left out, and read back as its default."""
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return [_without_none(each) for each in value] if isinstance(value, list) else value
