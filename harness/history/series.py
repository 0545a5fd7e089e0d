"""Runs in the order of their commits -> each cell's ratios, and where they stepped. Pure.

A step is a change from one run to the next that is significant by the statistics of `diff`:
Welch's test on log ratios that were each made within a block. All steps of all cells asked
for are one family (Holm), so that a hundred commits have together the one chance in twenty
of a false alarm that one would have alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness import stats
from harness.diff.changes import Change, judged, ratio, unjudged
from harness.diff.side import Side
from harness.diff.welch import Mean
from harness.model import Key, Metric, Setting


@dataclass(frozen=True)
class Run:
    """The results of one commit, made on the day `date`."""

    commit: str
    date: str
    subject: str
    side: Side


@dataclass(frozen=True, slots=True)
class Point:
    """A cell in one run: its ratio to its baseline there, and how that changed.

    `change` is from the run before that has the cell, None in the first. `moved` is that of
    its baseline, where the others show that it was the baseline that moved.
    """

    run: Run
    baseline: str | None
    ratio: Mean | None
    change: Change | None
    moved: Change | None

    @property
    def stepped(self) -> Change | None:
        """The change that is a step; None where it is none."""
        return next((each for each in (self.change, self.moved) if _named(each)), None)


@dataclass(frozen=True, slots=True)
class Series:
    """One cell in all runs that have it, oldest first."""

    key: Key
    metric: Metric
    points: Sequence[Point]


def series(runs: Sequence[Run], keys: Iterable[Key]) -> list[Series]:
    """Return the series of `keys`, of which each is in one of `runs`, oldest first."""
    cells = {run.commit: _by_setting(run.side.cells) for run in runs}
    having = {key: [run for run in runs if key in run.side.cells] for key in keys}
    pending: dict[tuple[str, str, Key], Change] = {}
    for key, among in having.items():
        for a, b in pairwise(among):
            for each in _changes(key, a, b, cells[b.commit][key.setting]):
                pending[a.commit, b.commit, each.key] = each
    found = dict(zip(pending, judged(list(pending.values())), strict=True))
    return [
        Series(key, _primary(key), [*_points(key, among, cells, found)])
        for key, among in having.items()
    ]


def _points(
    key: Key,
    among: Sequence[Run],
    cells: Mapping[str, Mapping[Setting, Sequence[Key]]],
    found: Mapping[tuple[str, str, Key], Change],
) -> Iterable[Point]:
    before = ""
    for run in among:
        base = _baseline(key, run, cells[run.commit][key.setting])
        yield Point(
            run=run,
            baseline=None if base is None else base.stack,
            ratio=None if base in (None, key) else ratio(run.side, key, base, _primary(key)),
            change=found.get((before, run.commit, key)),
            moved=None if base is None else found.get((before, run.commit, base)),
        )
        before = run.commit


def _changes(key: Key, a: Run, b: Run, setting: Sequence[Key]) -> list[Change]:
    """Return what changed of a cell from `a` to `b`, and of its baseline if that moved."""
    common = [each for each in setting if each in a.side.cells]
    return [
        each
        for each in unjudged(a.side, b.side, common)
        if each.metric == _primary(key) and (each.key == key or each.key.stack == each.baseline)
    ]


def _baseline(key: Key, run: Run, setting: Sequence[Key]) -> Key | None:
    name = run.side.baselines.get(key.group)
    return next((each for each in setting if each.stack == name), None)


def _primary(key: Key) -> Metric:
    return stats.metrics(key.setting)[0]


def _named(change: Change | None) -> bool:
    return change is not None and change.verdict in ("faster", "slower")


def _by_setting(keys: Iterable[Key]) -> dict[Setting, list[Key]]:
    found: dict[Setting, list[Key]] = defaultdict(list)
    for key in keys:
        found[key.setting].append(key)
    return found
