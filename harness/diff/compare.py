"""Two sides -> what changed from the first, A, to the second, B. Pure.

A ratio to the baseline cancels the machine, block by block. So what is compared is a
cell's mean log ratio on one side with that on the other: two independent samples of
blocks. All cells are judged together (Holm), so that a matrix of a hundred cells has no
more chances of a false alarm than one of two.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness import stats
from harness.diff import fingerprint
from harness.diff.fingerprint import Other
from harness.diff.side import MEASURES, Cell, Measure, Side
from harness.diff.welch import Mean, Shift, mean, shift
from harness.model import Endpoint, Key, Outcome, Setting
from harness.results import tables
from harness.thresholds import CONFIDENCE, MAX_ERROR_PCT, SAME_WITHIN

Verdict = Literal["faster", "slower", "same", "unclear", ""]

CLOSED_LOOP: Sequence[Measure] = ("rps", "app_cpu_us")
OPEN_LOOP: Sequence[Measure] = ("p99_ms", "app_cpu_us")
"""What is judged, the primary metric first. At a rate, req/s is the rate."""

MARGIN = math.log1p(SAME_WITHIN)


@dataclass(frozen=True, slots=True)
class Change:
    """How one cell's ratio to its reference changed, in one metric. All on the log scale.

    `reference` names the stacks whose geometric mean the ratio is to: the `baseline`, unless
    that itself moved. `a` and `b` are None where a side has no ratio. `proven`: the
    change is not chance, after Holm, however small it is; `verdict` wants it to matter
    too, and is empty where none may be given.
    """

    key: Key
    baseline: str
    reference: tuple[str, ...]
    metric: Measure
    a: Mean | None
    b: Mean | None
    shift: Shift | None
    judged: bool
    proven: bool = False
    verdict: Verdict = ""


@dataclass(frozen=True, slots=True)
class Absolute:
    """One cell's absolute numbers: means over blocks and their shift, on the log scale."""

    key: Key
    measure: Measure
    a: Mean
    b: Mean
    shift: Shift
    proven: bool = False


@dataclass(frozen=True, slots=True)
class Failures:
    """One cell's outcome and errors on both sides; `rose` when there provably are more."""

    key: Key
    outcome_a: Outcome
    outcome_b: Outcome
    error_pct_a: float
    error_pct_b: float
    rose: bool
    fell: bool

    @property
    def lost(self) -> bool:
        """Whether the cell had a number and has none any more."""
        return self.outcome_a == "ok" and self.outcome_b != "ok"

    @property
    def changed(self) -> bool:
        """Whether there is anything to say."""
        return self.outcome_a != self.outcome_b or self.rose or self.fell


@dataclass(frozen=True)
class Difference:
    """Everything that changed from `a` to `b`, and what keeps it from being said.

    `absolutes` is empty where there are `obstacles`. `means` are the geometric means of the
    changes of all cells of an endpoint, on the log scale.
    """

    a: str
    b: str
    changes: Sequence[Change]
    means: Mapping[tuple[Measure, Endpoint], float]
    absolutes: Sequence[Absolute]
    failures: Sequence[Failures]
    new: Sequence[Key]
    gone: Sequence[Key]
    tried: Sequence[Other]
    obstacles: Sequence[Other]
    same_blocks: bool

    @property
    def moved(self) -> list[Change]:
        """The baselines that changed themselves, as all the others see them."""
        return [each for each in self.named if each.key.stack == each.baseline]

    @property
    def named(self) -> list[Change]:
        """The changes that are proven and matter."""
        return [each for each in self.changes if each.verdict in ("faster", "slower")]


def compare(a: Side, b: Side) -> Difference:
    """Return what changed from `a` to `b`."""
    common = in_order(key for key in a.cells if key in b.cells)
    changes = _judged([change for keys in _settings(common) for change in _changes(a, b, keys)])
    obstacles = fingerprint.obstacles(a.environment, b.environment, a.matrix, b.matrix)
    return Difference(
        a=a.label,
        b=b.label,
        changes=changes,
        means=_means(changes),
        absolutes=[] if obstacles else _absolutes(a, b, common),
        failures=_failures(a, b, common),
        new=in_order(key for key in b.cells if key not in a.cells),
        gone=in_order(key for key in a.cells if key not in b.cells),
        tried=fingerprint.tried(a.environment, b.environment),
        obstacles=obstacles,
        same_blocks=a.cells == b.cells,
    )


def in_order(keys: Iterable[Key]) -> list[Key]:
    """Return `keys` by setting, each setting's by stack; numbers as numbers."""

    def place(key: Key) -> list[tuple[bool, object]]:
        return [(value is not None, value) for value in (*tables.values(key.setting), key.stack)]

    return sorted(keys, key=place)


def _settings(keys: Sequence[Key]) -> list[list[Key]]:
    found: dict[Setting, list[Key]] = defaultdict(list)
    for key in keys:
        found[key.setting].append(key)
    return list(found.values())


# Changes


def _changes(a: Side, b: Side, keys: Sequence[Key]) -> Iterator[Change]:
    """Yield the changes of one setting's cells against their baseline, or against each other."""
    baseline = _baseline(a, b, keys)
    if baseline is None:
        return
    others = [key for key in keys if key != baseline]
    for metric in CLOSED_LOOP if baseline.rate is None else OPEN_LOOP:
        changes = [_change(a, b, key, baseline, [baseline], metric) for key in others]
        alike = moved_alike(changes)
        if alike:
            # The odd one out is the baseline: measured by it, all others would be blamed.
            changes = [_change(a, b, key, baseline, alike, metric) for key in keys]
        yield from changes


def _baseline(a: Side, b: Side, keys: Sequence[Key]) -> Key | None:
    """Return the baseline of a setting, where both sides measured it; B's choice wins."""
    by_stack = {key.stack: key for key in keys}
    names = (side.baselines.get(keys[0].group) for side in (b, a))
    return next((by_stack[name] for name in names if name in by_stack), None)


def _change(
    a: Side, b: Side, key: Key, baseline: Key, reference: Sequence[Key], metric: Measure
) -> Change:
    means = [_mean(_log_ratios(side, key, reference, metric)) for side in (a, b)]
    before, after = means
    enough = (
        before is not None
        and after is not None
        and before.n >= a.min_blocks
        and after.n >= b.min_blocks
    )
    sound = all(
        side.cells[each].error_pct <= MAX_ERROR_PCT for side in (a, b) for each in (key, *reference)
    )
    return Change(
        key=key,
        baseline=baseline.stack,
        reference=tuple(each.stack for each in reference),
        metric=metric,
        a=before,
        b=after,
        shift=shift(before, after) if before and after else None,
        judged=enough and sound,
    )


def _log_ratios(side: Side, key: Key, reference: Sequence[Key], metric: Measure) -> list[float]:
    """Return the log ratios of the blocks that all have; none if one had nothing in a block.

    To leave that block out would flatter whoever failed in it.
    """
    mine = side.cells[key].logs[metric]
    theirs = [side.cells[each].logs[metric] for each in reference]
    logs = [
        log - sum([each[block] for each in theirs]) / len(theirs)
        for block, log in mine.items()
        if all(block in each for each in theirs)
    ]
    return logs if all(map(math.isfinite, logs)) else []


def _mean(values: Sequence[float]) -> Mean | None:
    return mean(values) if values else None


def moved_alike(changes: Sequence[Change]) -> list[Key]:
    """Return the cells that moved together against their baseline, if nearly all of them did.

    Nearly all: but one in four, and never fewer than two. Together: by the same factor,
    give or take what is a tie or their intervals. Each must have moved by itself, too, or
    one stack's change would pull a mean along that the others have no part in.
    """
    shifts = {each.key: each.shift for each in changes if each.judged and each.shift is not None}
    if len(shifts) < 2:
        return []
    middle = statistics.median(each.size for each in shifts.values())
    alike = [key for key, each in shifts.items() if _follows(each, middle)]
    nearly_all = len(shifts) - len(shifts) // 4
    return alike if abs(middle) > MARGIN and len(alike) >= nearly_all else []


def _follows(found: Shift, middle: float) -> bool:
    half = found.half_width
    assert half is not None  # it was judged
    moved = abs(found.size) > half and (found.size > 0) == (middle > 0)
    return moved and abs(found.size - middle) <= max(MARGIN, half)


def _judged(changes: Sequence[Change]) -> list[Change]:
    """Return `changes` with their verdicts: all of them are one family."""
    family = [
        (p, number)
        for number, each in enumerate(changes)
        if each.judged and each.shift is not None and (p := each.shift.p) is not None
    ]
    proven = stats.holm(family, 1 - CONFIDENCE)
    return [
        replace(each, proven=number in proven, verdict=_verdict(each, number in proven))
        for number, each in enumerate(changes)
    ]


def _verdict(change: Change, proven: bool) -> Verdict:
    found = change.shift
    if not change.judged or found is None or found.half_width is None:
        return ""
    if proven and abs(found.size) > MARGIN:
        return "slower" if worse_by(change.metric, found) > 0 else "faster"
    return "same" if abs(found.size) + found.half_width <= MARGIN else "unclear"


def worse_by(measure: Measure, found: Shift) -> float:
    """Return by how much something got worse, on the log scale; below zero it got better."""
    return -found.size if measure == "rps" else found.size


def _means(changes: Sequence[Change]) -> dict[tuple[Measure, Endpoint], float]:
    sizes: dict[tuple[Measure, Endpoint], list[float]] = defaultdict(list)
    for each in changes:
        if each.shift is not None:
            sizes[each.metric, each.key.endpoint].append(each.shift.size)
    return {
        (metric, endpoint): statistics.fmean(sizes[metric, endpoint])
        for metric, endpoint in sorted(sizes, key=lambda name: (MEASURES.index(name[0]), name[1]))
    }


# Absolute numbers


def _absolutes(a: Side, b: Side, keys: Sequence[Key]) -> list[Absolute]:
    rows = [
        Absolute(key, measure, before, after, shift(before, after))
        for key in keys
        for measure in MEASURES
        if (before := _level(a.cells[key], measure)) and (after := _level(b.cells[key], measure))
    ]
    family = {
        measure: [
            (p, row.key)
            for row in rows
            if row.measure == measure and (p := row.shift.p) is not None
        ]
        for measure in MEASURES
    }
    proven = {measure: stats.holm(each, 1 - CONFIDENCE) for measure, each in family.items()}
    return [replace(row, proven=True) if row.key in proven[row.measure] else row for row in rows]


def _level(cell: Cell, measure: Measure) -> Mean | None:
    """Return the mean log over blocks; None when a block has nothing, or not one good answer."""
    logs = list(cell.logs[measure].values())
    if cell.outcome != "ok" or len(logs) < len(cell.error_pcts):
        return None
    return mean(logs) if all(map(math.isfinite, logs)) else None


# Failures


def _failures(a: Side, b: Side, keys: Sequence[Key]) -> list[Failures]:
    shifts = {
        key: shift(mean(a.cells[key].error_pcts), mean(b.cells[key].error_pcts)) for key in keys
    }
    family = [(p, key) for key, found in shifts.items() if (p := found.p) is not None]
    proven = stats.holm(family, 1 - CONFIDENCE)
    rows = []
    for key, found in shifts.items():
        before, after = a.cells[key], b.cells[key]
        rows.append(
            Failures(
                key=key,
                outcome_a=before.outcome,
                outcome_b=after.outcome,
                error_pct_a=before.error_pct,
                error_pct_b=after.error_pct,
                rose=(key in proven and found.size > 0) or _all_fail_now(before, after),
                fell=(key in proven and found.size < 0) or _all_fail_now(after, before),
            )
        )
    return rows


def _all_fail_now(before: Cell, after: Cell) -> bool:
    """Whether no block had errors to speak of, and now every block has.

    Few blocks prove little to Welch, but this does not happen by chance.
    """
    return max(before.error_pcts) <= MAX_ERROR_PCT < min(after.error_pcts)
