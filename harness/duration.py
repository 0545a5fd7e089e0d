"""Durations as people write them: `250ms`, `2s`, `5m`, `1h`; seconds inside."""

import re

SECONDS_PER = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SHAPE = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)", re.ASCII)


def parse_duration(text: str) -> float:
    """Return the seconds that `text` says. Raises ValueError when it says none."""
    match = _SHAPE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'expected a duration such as "250ms", "2s" or "5m", got "{text}"')
    return float(match[1]) * SECONDS_PER[match[2]]


def format_duration(seconds: float) -> str:
    """Return `seconds` in the largest unit that says it exactly and needs no fraction."""
    for unit in ("h", "m", "s"):
        count = seconds / SECONDS_PER[unit]
        if count >= 1 and count == int(count):
            return f"{int(count)}{unit}"
    return f"{seconds * 1000:g}ms"
