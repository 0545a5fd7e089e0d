"""What changed, as tables and lines of words: the same for a terminal and for Markdown. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.counted import counted
from harness.diff.absolutes import Absolute
from harness.diff.changes import MORE_IS_BETTER, Change
from harness.diff.compare import Difference
from harness.diff.failures import Failures
from harness.diff.side import MEASURES, Measure
from harness.diff.welch import Mean, Shift
from harness.diff.wording import (
    UNITS,
    WORDS,
    interval,
    listed,
    names,
    number,
    percent,
    ratio,
)
from harness.model import Key, Outcome, Setting

UNPROVEN = "~"
DASH = "-"
MOST = 20
"""Lines of one kind. Whoever has more wants `--json`."""


@dataclass(frozen=True, slots=True)
class Lines:
    """A few sentences, under a title unless that is empty."""

    title: str
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows in groups, each group under a heading. The first heading is that of the groups."""

    title: str
    headings: Sequence[str]
    groups: Sequence[tuple[str, Sequence[Sequence[str]]]]


Part = Lines | Table


def layout(difference: Difference) -> list[Part]:
    """Return all there is to say, the answer first; nothing that would be empty."""
    keys = [row.key for row in difference.failures] + [*difference.new, *difference.gone]
    named = names(key.setting for key in keys)
    parts: list[Part] = [
        Lines("", [f"A: {difference.a}", f"B: {difference.b}"]),
        Lines("", _answer(difference, named)),
        *(_tables(difference, named) if not difference.same_blocks else ()),
        Lines("Outcomes and errors", _some([*_failures(difference, named)])),
        Lines("New in B", _some([_cell(key, named) for key in difference.new])),
        Lines("Gone since A", _some([_cell(key, named) for key in difference.gone])),
        Lines("What was changed", [each.text for each in difference.tried]),
        Lines(
            "Absolute numbers are not compared, for these differ",
            [each.text for each in difference.obstacles],
        ),
    ]
    return [part for part in parts if isinstance(part, Table) or part.lines]


# The answer


def _answer(difference: Difference, named: Mapping[Setting, str]) -> list[str]:
    cells = len(difference.failures)
    if not cells:
        return ["No cell is in both: there is nothing to compare."]
    if difference.same_blocks:
        return ["Both hold the same blocks: nothing was measured in between."]
    judged = [each for each in difference.changes if each.judged]
    if not judged:
        why = "none has a baseline, and min_blocks blocks without errors, on both sides"
        return [f"No cell can be judged: {why}."]
    moved = difference.moved
    blamed = [each for each in difference.named if each not in moved]
    lines = [_moved(difference, each, named) for each in moved]
    lines += [_blamed(each, named) for each in blamed]
    unclear = sum(each.verdict == "unclear" for each in judged)
    if not lines:
        lines = [f"Nothing is proven to have changed in {counted(cells, 'cell')}."]
    if unclear:
        lines.append(
            f"{unclear} of {len(judged)} changes are unclear: with more blocks on both sides, or "
            "both sides in one run (`harness ab`), they would be known."
        )
    return _some(lines)


def _blamed(change: Change, named: Mapping[Setting, str]) -> str:
    assert change.shift is not None
    return (
        f"{named[change.key.setting]}: {change.key.stack} is {change.verdict}: "
        f"{WORDS[change.metric]} {_proven(change.shift)} against {listed(change.reference)}."
    )


def _moved(difference: Difference, change: Change, named: Mapping[Setting, str]) -> str:
    assert change.shift is not None
    others = percent(-change.shift.size, change.shift.half_width)
    return (
        f"{named[change.key.setting]}: {listed(change.reference)} moved alike against "
        f"{change.baseline}, {others} in {WORDS[change.metric]}: it is the baseline "
        f"{change.baseline} that is {change.verdict}, {_proven(change.shift)} against them"
        f"{_absolutely(difference, change)}."
    )


def _absolutely(difference: Difference, change: Change) -> str:
    for each in difference.absolutes:
        if (each.key, each.measure) == (change.key, change.metric):
            numbers = f"{number(each.a.value)} -> {number(each.b.value)} {UNITS[each.measure]}"
            return f" (its own numbers: {numbers})"
    return ""


def _proven(found: Shift) -> str:
    return percent(found.size, found.half_width) + interval(found)


# Tables


def _tables(difference: Difference, named: Mapping[Setting, str]) -> list[Table]:
    return [
        *_changes(difference, named),
        *_means(difference),
        *_absolutes(difference, named),
    ]


def _changes(difference: Difference, named: Mapping[Setting, str]) -> Iterator[Table]:
    """Yield a table a metric, of a group a setting, of a row a stack."""
    by_metric: dict[Measure, dict[tuple[Setting, tuple[str, ...]], list[Change]]] = {}
    for each in difference.changes:
        groups = by_metric.setdefault(each.metric, {})
        groups.setdefault((each.key.setting, each.reference), []).append(each)
    outcomes = {row.key: row for row in difference.failures}
    for metric, groups in by_metric.items():
        better = "more" if metric in MORE_IS_BETTER else "less"
        yield Table(
            f"{WORDS[metric]} against the baseline ({better} is better)",
            ("", "A", "B", "blocks", "change, 95 % interval", "verdict"),
            [
                (
                    f"{named[setting]}, against {listed(reference)}",
                    [_change(each, outcomes[each.key]) for each in changes],
                )
                for (setting, reference), changes in groups.items()
            ],
        )


def _change(change: Change, outcomes: Failures) -> list[str]:
    counts = "+".join(str(side.n) if side else "0" for side in (change.a, change.b))
    return [
        change.key.stack,
        _ratio(change.a, outcomes.outcome_a),
        _ratio(change.b, outcomes.outcome_b),
        counts,
        _shift(change.shift, change.verdict in ("faster", "slower")),
        change.verdict,
    ]


def _ratio(found: Mean | None, outcome: Outcome) -> str:
    if found is not None:
        return ratio(found)
    return DASH if outcome == "ok" else outcome


def _shift(found: Shift | None, proven: bool) -> str:
    if found is None:
        return DASH
    size = percent(found.size, found.half_width) if proven else UNPROVEN
    return size + interval(found)


def _means(difference: Difference) -> list[Table]:
    metrics = list(dict.fromkeys(metric for metric, _ in difference.means))
    endpoints = list(dict.fromkeys(endpoint for _, endpoint in difference.means))
    if not endpoints:
        return []
    rows = [
        [
            endpoint,
            *(
                percent(difference.means[metric, endpoint])
                if (metric, endpoint) in difference.means
                else DASH
                for metric in metrics
            ),
        ]
        for endpoint in endpoints
    ]
    headings = ("", *(WORDS[metric] for metric in metrics))
    return [Table("Geometric mean of the changes", headings, [("", rows)])]


def _absolutes(difference: Difference, named: Mapping[Setting, str]) -> list[Table]:
    cells: dict[Key, dict[Measure, Absolute]] = defaultdict(dict)
    for each in difference.absolutes:
        cells[each.key][each.measure] = each
    groups: dict[str, list[list[str]]] = defaultdict(list)
    for key, found in cells.items():
        row = [_absolute(found.get(measure)) for measure in MEASURES]
        groups[named[key.setting]].append([key.stack, *row])
    if not groups:
        return []
    title = "Absolute numbers (the machine's speed of the hour is in them: no verdict)"
    headings = ("", *(UNITS[measure] for measure in MEASURES))
    return [Table(title, headings, list(groups.items()))]


def _absolute(found: Absolute | None) -> str:
    if found is None:
        return DASH
    change = percent(found.shift.size, found.shift.half_width) if found.proven else UNPROVEN
    return f"{number(found.a.value)} -> {number(found.b.value)} {change}"


# Lists


def _failures(difference: Difference, named: Mapping[Setting, str]) -> Iterator[str]:
    for each in difference.failures:
        if each.outcome_a != each.outcome_b:
            yield f"{_cell(each.key, named)}: {each.outcome_a} -> {each.outcome_b}"
        elif each.changed:
            errors = f"{each.error_pct_a:.3g} % -> {each.error_pct_b:.3g} %"
            yield f"{_cell(each.key, named)}: errors {errors} of requests"


def _cell(key: Key, named: Mapping[Setting, str]) -> str:
    return f"{named[key.setting]}: {key.stack}"


def _some(lines: Sequence[str]) -> list[str]:
    if len(lines) <= MOST:
        return list(lines)
    return [*lines[:MOST], f"and {len(lines) - MOST} more (--json has all)"]
