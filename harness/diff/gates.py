"""`--fail-on`: which changes end the command with 1. Pure."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.diff.changes import worse_by
from harness.diff.compare import Difference
from harness.diff.wording import WORDS, interval, names, percent
from harness.errors import BadInput
from harness.model import Key
from harness.thresholds import RSS_GREW, SAME_WITHIN

What = Literal["slower", "errors", "rss"]

DEFAULTS: Mapping[What, float] = {"slower": SAME_WITHIN, "rss": RSS_GREW, "errors": 0.0}
RSS = ("rss_peak_mib", "rss_end_mib")


@dataclass(frozen=True, slots=True)
class Gate:
    """What to fail on: with `slower` and `rss`, a proven change beyond a fraction.

    0.05 is a factor of 1.05: that much more CPU, or as many fewer req/s (4.8 %).
    """

    what: What
    beyond: float


def gate(text: str) -> Gate:
    """Read one `--fail-on`. Raises `BadInput`."""
    for what, default in DEFAULTS.items():
        if text == what:
            return Gate(what, default)
        share = re.fullmatch(rf"{what}:(\d+(?:\.\d+)?)%", text)
        if share and what != "errors":
            return Gate(what, float(share[1]) / 100)
    raise BadInput(
        f"--fail-on {text}: expected slower, rss or errors, the first two also with a "
        "percentage, such as slower:5%"
    )


def met(difference: Difference, gates: Sequence[Gate]) -> list[str]:
    """Return a line for each cell that one of `gates` is about."""
    by_setting = names(row.key.setting for row in difference.failures)
    look = {"slower": _slower, "errors": _errors, "rss": _rss}
    return [
        f"{each.what}: {by_setting[key.setting]}: {key.stack}: {why}"
        for each in gates
        for key, why in look[each.what](difference, math.log1p(each.beyond))
    ]


def unjudged(difference: Difference, gates: Sequence[Gate]) -> list[str]:
    """Return a line for each of `gates` that nothing could have met."""
    asked = {each.what for each in gates}
    lines = []
    if "slower" in asked and not any(each.judged for each in difference.changes):
        lines.append("--fail-on slower: no cell of both sides has what it takes to judge it")
    if "rss" in asked and difference.obstacles:
        lines.append(
            "--fail-on rss: not judged: memory is compared on the same machine, with the same "
            "settings, only"
        )
    return lines


def _slower(difference: Difference, beyond: float) -> Iterator[tuple[Key, str]]:
    for each in difference.changes:
        if each.proven and each.shift and worse_by(each.metric, each.shift) > beyond:
            change = percent(each.shift.size, each.shift.half_width) + interval(each.shift)
            yield each.key, f"{WORDS[each.metric]} {change}"


def _errors(difference: Difference, _: float) -> Iterator[tuple[Key, str]]:
    for each in difference.failures:
        if each.lost:
            yield each.key, f"{each.outcome_a} -> {each.outcome_b}"
        elif each.rose:
            yield each.key, f"{each.error_pct_a:.3g} % -> {each.error_pct_b:.3g} % of requests"


def _rss(difference: Difference, beyond: float) -> Iterator[tuple[Key, str]]:
    for each in difference.absolutes:
        if each.measure in RSS and each.proven and each.shift.size > beyond:
            change = percent(each.shift.size, each.shift.half_width) + interval(each.shift)
            yield each.key, f"{WORDS[each.measure]} {change}"
