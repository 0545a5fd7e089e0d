"""The sentences that a report begins with, of stacks or of the two sides of each. Pure."""

from collections.abc import Iterator, Mapping

from harness import stats
from harness.findings import Findings
from harness.matrix import Matrix
from harness.model import Comparison, Setting, Verdict
from harness.sentences import certainty, ratio_text, sentences

AGAINST: Mapping[str, str] = {
    "rps": "{side} answers {ratio} as fast as {other}",
    "p99_ms": "{side} has {ratio} the p99 of {other}",
    "app_cpu_us": "app CPU {ratio}",
}
LESS: Mapping[Verdict, str] = {"faster": "less", "slower": "more"}


def verdicts(matrix: Matrix, found: Findings) -> list[str]:
    """Return the sentences that matter of what a run of `matrix` found."""
    if not any(stack.side for stack in matrix.stacks.values()):
        return sentences(found)
    said = [each for setting in found.settings for each in _of_sides(matrix, found, setting)]
    return [*(said or ["No two sides can be compared yet."]), certainty(found)]


def _of_sides(matrix: Matrix, found: Findings, setting: Setting) -> Iterator[str]:
    """Yield a sentence for each stack of `setting` whose two sides can be compared."""
    comparisons = found.by_setting[setting].comparisons
    for key in dict.fromkeys(key for key, _ in comparisons):
        pairs = [comparisons[key, each] for each in stats.metrics(setting)]
        known = [each for each in pairs if each.ratio is not None]
        if known:
            stack, other = matrix.stacks[key.stack], matrix.stacks[known[0].baseline]
            where = found.names[setting].removeprefix(f"{stack.own_name}: ")
            said = "; ".join(_said(each, stack.side, other.side) for each in known)
            yield f"{stack.own_name} on {where}: {said}."


def _said(pair: Comparison, side: str | None, other: str | None) -> str:
    ratio = ratio_text(pair.ratio or 0.0, pair.lo, pair.hi)
    against = AGAINST[pair.metric].format(side=side, other=other, ratio=ratio)
    return f"{against}: {_word(pair)}"


def _word(pair: Comparison) -> str:
    if not pair.verdict:
        return "no verdict"
    word = "a tie" if pair.verdict == "tie" else pair.verdict
    return LESS.get(pair.verdict, word) if pair.metric != "rps" else word
