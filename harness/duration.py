"""Durations as people write them: `250ms`, `2s`, `5m`, `1h`; seconds inside."""

import json
import re
from decimal import Decimal

SECONDS_PER = {"s": 1, "m": 60, "h": 3600}
MAX_S = 366 * 24 * 3600.0
"""Longer than anybody waits, and short enough for every clock and timer."""

_SHAPE = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)", re.ASCII)


def parse_duration(text: str) -> float:
    """Return the seconds that `text` says. Raises ValueError when it says none."""
    match = _SHAPE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'expected a duration such as "250ms", "2s" or "5m", got {_quoted(text)}')
    number, unit = float(match[1]), match[2]
    # Divided, not multiplied by 0.001: only so is "1100ms" the same float as 1.1.
    seconds = number / 1000 if unit == "ms" else number * SECONDS_PER[unit]
    if seconds > MAX_S:
        raise ValueError(f"expected a duration of at most a year, got {_quoted(text)}")
    return seconds


def format_duration(seconds: float) -> str:
    """Return `seconds` in the largest unit that needs no fraction; `parse_duration` undoes it."""
    for unit in ("h", "m", "s"):
        count, rest = divmod(seconds, SECONDS_PER[unit])
        if count >= 1 and rest == 0:
            return f"{int(count)}{unit}"
    text = f"{seconds * 1000:g}ms"
    if _SHAPE.fullmatch(text) and parse_duration(text) == seconds:
        return text
    return f"{Decimal(repr(float(seconds))):f}s"


def _quoted(text: str) -> str:
    """On one line, whatever it holds, and no longer than a line."""
    return json.dumps(text if len(text) <= 60 else text[:57] + "...", ensure_ascii=False)
