"""Numbers, settings and metrics in words. Pure."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.diff.side import Measure
from harness.diff.welch import Mean, Shift
from harness.model import Setting
from harness.naming import AXES, said

WORDS: Mapping[Measure, str] = {
    "rps": "req/s",
    "p99_ms": "p99",
    "app_cpu_us": "app CPU per request",
    "rss_peak_mib": "peak RSS",
    "rss_end_mib": "RSS after load",
}
UNITS: Mapping[Measure, str] = {
    "rps": "req/s",
    "p99_ms": "p99, ms",
    "app_cpu_us": "app CPU, us",
    "rss_peak_mib": "RSS peak, MiB",
    "rss_end_mib": "RSS end, MiB",
}


def names(settings: Iterable[Setting]) -> dict[Setting, str]:
    """Name each setting by its group, its endpoint, its rate, and the axes that vary for these."""
    every = list(dict.fromkeys(settings))
    values: dict[tuple[str, str, str], set[Any]] = defaultdict(set)
    for each in every:
        for axis in AXES:
            values[each.group, each.endpoint, axis].add(getattr(each, axis))
    return {each: _name(each, values) for each in every}


def _name(setting: Setting, values: Mapping[tuple[str, str, str], set[Any]]) -> str:
    varying = [
        said(setting, axis)
        for axis in AXES
        if getattr(setting, axis) not in (None, "")
        and (axis == "rate" or len(values[setting.group, setting.endpoint, axis]) > 1)
    ]
    return f"{setting.group}: " + ", ".join([setting.endpoint, *varying])


def percent(size: float, half_width: float | None = None) -> str:
    """Return a change on the log scale in per cent, to the digits its interval supports."""
    return f"{_signed(size, _places(half_width))} %"


def interval(found: Shift) -> str:
    """Return ` [-6.0, -4.2]`, in per cent; nothing where there is no interval."""
    half = found.half_width
    if half is None:
        return ""
    low, high = (_signed(found.size + sign * half, _places(half)) for sign in (-1, 1))
    return f" [{low}, {high}]"


def ratio(found: Mean) -> str:
    """Return a mean log ratio as `3.14x ±1.8 %`."""
    half = found.half_width
    value = math.exp(found.value)
    text = f"{value:.0f}x" if value >= 100 else f"{value:.3g}x"
    return text if half is None else f"{text} ±{_spread(half)} %"


def number(log: float) -> str:
    """Return the number of that logarithm, to three digits or to one."""
    value = math.exp(log)
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def listed(words: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _places(half_width: float | None) -> int:
    if not half_width:
        return 1
    return 0 if half_width >= 0.1 else 1 if half_width >= 0.001 else 2


def _signed(size: float, places: int) -> str:
    # Past a factor of ten thousand it is an interval of two blocks, and says nothing.
    value = round(100 * math.expm1(min(size, 10.0)), places) + 0.0
    return f"{value:+,.{places}f}"


def _spread(half: float) -> str:
    value = 100 * math.expm1(min(half, 10.0))
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
