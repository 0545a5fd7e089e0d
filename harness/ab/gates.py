"""`--fail-on` of `ab`: what the second side may not be. Pure."""

from collections.abc import Iterator, Sequence

from harness import stats
from harness.diff.gates import Gate, gate
from harness.errors import BadInput
from harness.findings import Findings
from harness.sentences import ratio_text
from harness.thresholds import MAX_ERROR_PCT

WORDS = {"rps": "req/s", "p99_ms": "p99", "app_cpu_us": "app CPU per request"}


def readable(fail_on: Sequence[str]) -> list[Gate]:
    """Read every `--fail-on`. Raises `BadInput`."""
    gates = [gate(each) for each in fail_on]
    if any(each.what == "rss" for each in gates):
        raise BadInput("--fail-on rss: ab compares no memory; it can be slower[:3%] or errors")
    return gates


def met(found: Findings, gates: Sequence[Gate]) -> list[str]:
    """Return a line for each stack of a setting that one of `gates` is about."""
    return [
        f"{each.what}: {line}"
        for each in gates
        for line in (_errors(found) if each.what == "errors" else _slower(found, each.beyond))
    ]


def _slower(found: Findings, beyond: float) -> Iterator[str]:
    """Yield what has the verdict `slower`, by a factor of more than 1 + `beyond`."""
    for pair in found.comparisons.values():
        ratio = pair.ratio or 1.0
        worse = 1 / ratio if stats.MORE_IS_BETTER[pair.metric] else ratio
        if pair.verdict == "slower" and worse > 1 + beyond:
            against = ratio_text(ratio, pair.lo, pair.hi)
            where = found.names[pair.key.setting]
            yield f"{where}: {pair.key.stack}: {WORDS[pair.metric]} {against} of {pair.baseline}"


def _errors(found: Findings) -> Iterator[str]:
    """Yield what failed where its other side did not."""
    for setting, baseline in found.baselines.items():
        cells = {each.key.stack: each for each in found.of(setting)}
        before = cells.get(baseline)
        if before is None or before.outcome != "ok" or _fails(before.error_pct):
            continue
        for name, after in cells.items():
            why = "" if after.outcome == "ok" else f"{after.outcome}: {after.flags}"
            if not why and _fails(after.error_pct):
                why = f"{after.error_pct:.3g} % of requests failed"
            if why:
                yield f"{found.names[setting]}: {name}: {why}"


def _fails(error_pct: float | None) -> bool:
    return (error_pct or 0.0) > MAX_ERROR_PCT
