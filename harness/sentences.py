"""The sentences that matter, of what a run found. Pure."""

import math
from collections.abc import Sequence

from harness.counted import counted
from harness.findings import Findings
from harness.model import Comparison, Setting, Summary
from harness.thresholds import MAX_ERROR_PCT


def sentences(found: Findings) -> list[str]:
    """Return the sentences that matter: how fast, how soon, at what cost, how sure."""
    said = [_speed(found), _latency(found), _cost(found), certainty(found)]
    return [each for each in said if each]


def ratio_text(ratio: float, lo: float | None, hi: float | None) -> str:
    """Return `1.33x [1.31, 1.35]`, or `1.33x` where there is no interval."""
    if lo is None or hi is None:
        return f"{ratio:.2f}x"
    places = min(4, max(2, 1 - math.floor(math.log10(max((hi - lo) / 2, 1e-6)))))
    return f"{ratio:.{places}f}x [{lo:.{places}f}, {hi:.{places}f}]"


def _speed(found: Findings) -> str:
    best: list[tuple[Setting, Comparison]] = []
    for setting in found.settings:
        pairs = [
            pair
            for (_, metric), pair in found.by_setting[setting].comparisons.items()
            if metric == "rps" and pair.ratio and _sound(found, pair)
        ]
        if pairs:
            # A sure winner before a larger ratio that nobody can be sure of.
            rank = {pair.key: (pair.verdict == "faster", pair.ratio or 0.0) for pair in pairs}
            best.append((setting, max(pairs, key=lambda pair: rank[pair.key])))
    if not best:
        return "" if _latency(found) else "No two stacks can be compared yet."
    parts = []
    for setting, pair in best[:4]:
        assert pair.ratio is not None
        text = ratio_text(pair.ratio, pair.lo, pair.hi)
        name = found.names[setting]
        so_far = "" if pair.verdict else "so far "
        if pair.verdict == "slower" or (so_far and pair.ratio < 1):
            parts.append(f"{so_far}{pair.baseline} leads {name} ({pair.key.stack} {text})")
        elif pair.verdict == "faster" or so_far:
            parts.append(
                f"{so_far}{pair.key.stack} answers {name} {text} as fast as {pair.baseline}"
            )
        else:
            word = "a tie" if pair.verdict == "tie" else pair.verdict
            parts.append(f"{name} is {word} between {pair.key.stack} and {pair.baseline} ({text})")
    more = f", and {len(best) - 4} more settings in the report" if len(best) > 4 else ""
    return "Speed: " + "; ".join(parts) + more + "."


def _latency(found: Findings) -> str:
    """Say who has the least p99 in each open loop that has a verdict."""
    parts = []
    for setting in found.settings:
        pairs = [
            pair
            for (_, metric), pair in found.by_setting[setting].comparisons.items()
            if metric == "p99_ms" and pair.ratio and pair.verdict
        ]
        if pairs:
            least = min(pairs, key=lambda pair: (pair.verdict != "faster", pair.ratio))
            text = ratio_text(least.ratio or 0.0, least.lo, least.hi)
            name = found.names[setting]
            parts.append(
                f"{least.key.stack} has {text} the p99 of {least.baseline} on {name} "
                f"({least.verdict})"
            )
    more = f", and {len(parts) - 4} more settings in the report" if len(parts) > 4 else ""
    return "Latency: " + "; ".join(parts[:4]) + more + "." if parts else ""


def _sound(found: Findings, pair: Comparison) -> bool:
    """Whether few enough requests failed on either side for speed to mean something."""
    sides = [each for each in found.of(pair.key.setting) if each.key.stack == pair.baseline]
    return all(
        (each.error_pct or 0.0) <= MAX_ERROR_PCT for each in (*sides, found.summaries[pair.key])
    )


def _cost(found: Findings) -> str:
    cheapest: list[tuple[float, Summary, Comparison | None]] = []
    for setting in found.settings:
        cells = [each for each in found.of(setting) if each.cost.app_cpu_us is not None]
        if cells:
            least = min(cells, key=lambda each: each.cost.app_cpu_us or math.inf)
            pair = found.comparisons.get((least.key, "app_cpu_us"))
            cheapest.append((least.cost.app_cpu_us or 0.0, least, pair))
    if not cheapest:
        return ""
    parts = []
    for cpu_us, least, pair in cheapest[:4]:
        name = found.names[least.key.setting]
        against = ""
        if pair is not None and pair.ratio is not None:
            against = f", {pair.ratio:.2f}x that of {pair.baseline}"
        parts.append(f"{least.key.stack} on {name} ({cpu_us:.0f} us a request{against})")
    return "Least app CPU: " + "; ".join(parts) + "."


def certainty(found: Findings) -> str:
    """Return the sentence about how much of it has numbers, and how sure they are."""
    cells = list(found.summaries.values())
    bad = [each for each in cells if each.outcome != "ok"]
    blocks = [each.blocks for each in cells if each.outcome == "ok"]
    unclear = [pair for pair in found.comparisons.values() if pair.verdict == "unclear"]
    parts = [
        f"{len(cells) - len(bad)} of {len(cells)} cells have a number"
        + (f", from {_span(blocks)} each" if blocks else "")
    ]
    if bad:
        names = ", ".join(f"{each.key.stack} on {each.key.endpoint}" for each in bad[:3])
        parts.append(f"without one: {names}" + (" and others" if len(bad) > 3 else ""))
    if unclear:
        parts.append(f"{len(unclear)} of {len(found.comparisons)} ratios are still unclear")
    flagged = [each for each in cells if each.outcome == "ok" and each.flags]
    if flagged:
        parts.append(f"{len(flagged)} carry a doubt, named beside them in the report")
    if blocks and max(blocks) < 2:
        parts.append("with one block each there are no intervals: run longer for those")
    return "Certainty: " + "; ".join(parts) + "."


def _span(blocks: Sequence[int]) -> str:
    least, most = min(blocks), max(blocks)
    return counted(most, "block") if least == most else f"{least}-{most} blocks"
