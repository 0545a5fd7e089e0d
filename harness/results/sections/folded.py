"""What a long report shows of a setting until it is opened: its name and its verdict."""

import html
from collections.abc import Mapping, Sequence

from harness.findings import Findings
from harness.model import Comparison, Setting, Verdict
from harness.sentences import ratio_text

WORDS: Mapping[Verdict, str] = {
    "faster": "{} is faster than {}",
    "slower": "{} is slower than {}",
    "tie": "{} ties with {}",
    "unclear": "{} against {} is unclear",
}
RANKS: Sequence[Verdict] = ("faster", "tie", "unclear", "slower")
"""A sure winner stands for its setting before what nobody can be sure of."""


def folded(found: Findings, setting: Setting, parts: Sequence[str]) -> str:
    """Return `parts`, Markdown, in an element that opens; GitHub reads them as Markdown there."""
    title = html.escape(f"{found.names[setting]}: {verdict(found, setting)}", quote=False)
    return "\n\n".join(
        (f"<details>\n<summary>{title}</summary>", *parts, "</details>"),
    )


def verdict(found: Findings, setting: Setting) -> str:
    """Return what the best of a setting's cells came out at against their baseline, in words."""
    pairs = [
        pair
        for cell in found.of(setting)
        if (pair := found.primary(cell.key)) is not None and pair.verdict
    ]
    if not pairs:
        return "no verdict"
    best = min(pairs, key=_rank)
    said = WORDS[best.verdict].format(best.key.stack, best.baseline)
    what = " the p99" if best.metric == "p99_ms" else ""
    return f"{said} ({ratio_text(best.ratio or 0.0, best.lo, best.hi)}{what})"


def _rank(pair: Comparison) -> tuple[int, float]:
    ratio = pair.ratio or 0.0
    return RANKS.index(pair.verdict), ratio if pair.metric == "p99_ms" else -ratio
