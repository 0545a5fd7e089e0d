"""Which stacks are worth choosing among, and why the others are not. Pure.

A stack dominates another where it is surely better in one objective and no worse in every
other. The ratio of the two decides, made within blocks, with its 95 % interval: better
means that the interval lies beyond the margin of a tie, no worse that it does not reach
beyond that margin on the other side. What overlaps both is unclear, and dominates nothing.
No correction is made for the number of pairs: a domination needs every objective at once.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.findings import Findings
from harness.matrix import Matrix
from harness.model import Sample, Setting, Summary
from harness.results.page import objectives
from harness.results.page.objectives import OBJECTIVES, Objective
from harness.results.page.paired import Measured, Paired, paired, together
from harness.sentences import ratio_text
from harness.thresholds import MAX_ERROR_PCT, SAME_WITHIN

MARGIN = math.log1p(SAME_WITHIN)
MANY = 2**31
"""Blocks: of a pair that is compared in nothing."""

MOST_CONTESTS = 6_000
"""Pairs of stacks that a page holds: some 1.5 MB of it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stack in one setting or several.

    `barred` says why it cannot be chosen, `unjudged` why it neither dominates nor is
    dominated; both are empty for most.
    """

    stack: str
    cells: tuple[Summary, ...]
    barred: str
    unjudged: str


@dataclass(frozen=True, slots=True)
class Contest:
    """Two candidates, by index: log ratio of the first to the second and half its interval.

    In the order of the scope's objectives; half of an interval is None with one block.
    `blocks` is how many both have, in the setting and the objective with the fewest.
    """

    first: int
    second: int
    blocks: int
    ratios: tuple[tuple[float, float | None], ...]


@dataclass(frozen=True, slots=True)
class Domination:
    """One candidate is no worse than another in anything, and surely better in what is said."""

    winner: int
    loser: int
    why: str


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a choice is made: one setting, or several of the same stacks.

    `tails` are the percentiles that stand for the tail: p95 where a stack lacks requests for p99.
    """

    name: str
    settings: tuple[Setting, ...]
    objectives: tuple[Objective, ...]
    tails: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    contests: tuple[Contest, ...]
    dominations: tuple[Domination, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Every scope of two stacks or more that the page has room for; `omitted` are the others."""

    scopes: tuple[Scope, ...]
    omitted: int


def choice(matrix: Matrix, found: Findings) -> Choice:
    """Return where to choose: several settings of the same stacks together first, then each."""
    cells = {each: here for each in found.settings if len(here := found.of(each)) > 1}
    wanted = list(_wanted(found, cells))
    held = _that_fit([math.comb(len(cells[settings[0]]), 2) for settings in wanted])
    settings = list(dict.fromkeys(itertools.chain(*wanted[:held])))
    measured = [_measured(found, cells[each]) for each in settings]
    pairs = dict(zip(settings, paired(measured), strict=True))
    scopes = (
        _scope(matrix, found, each, [cells[setting] for setting in each], pairs)
        for each in wanted[:held]
    )
    return Choice(tuple(scopes), len(wanted) - held)


def _measured(found: Findings, cells: Sequence[Summary]) -> Measured:
    """Return what the cells of a setting measured, and how each of their blocks went."""
    samples, names = _samples(found, cells), objectives.of(found, cells[0].key.setting)
    return Measured(names, objectives.logs(samples, names), objectives.courses(samples))


def _wanted(
    found: Findings, cells: Mapping[Setting, Sequence[Summary]]
) -> Iterator[tuple[Setting, ...]]:
    """Yield the settings of each scope: those with the same stacks, of all groups and of one."""
    alike: dict[object, list[Setting]] = {}
    in_group: dict[object, list[Setting]] = {}
    for setting, here in cells.items():
        what = (tuple(each.key.stack for each in here), objectives.of(found, setting))
        alike.setdefault(what, []).append(setting)
        in_group.setdefault((setting.group, what), []).append(setting)
    several = (tuple(each) for each in (*alike.values(), *in_group.values()) if len(each) > 1)
    yield from dict.fromkeys(several)
    yield from ((setting,) for setting in cells)


def _that_fit(sizes: Sequence[int]) -> int:
    return int(np.searchsorted(np.cumsum(sizes), MOST_CONTESTS, side="right"))


def _scope(
    matrix: Matrix,
    found: Findings,
    settings: tuple[Setting, ...],
    cells: Sequence[Sequence[Summary]],
    pairs: Mapping[Setting, Paired],
) -> Scope:
    candidates = tuple(_candidate(matrix, found, each) for each in zip(*cells, strict=True))
    free = [not each.barred for each in candidates]
    both = together([pairs[each] for each in settings])
    taken = np.array(free)[both.first] & np.array(free)[both.second]
    whole = ~np.isnan(both.logs[taken]).any(axis=0)
    names = objectives.of(found, settings[0])
    contests = [
        Contest(first, second, blocks, tuple(zip(logs, map(_known, halves), strict=True)))
        for first, second, blocks, logs, halves in zip(
            both.first[taken].tolist(),
            both.second[taken].tolist(),
            both.blocks[taken][:, whole].min(axis=1, initial=MANY).tolist(),
            both.logs[taken][:, whole].tolist(),
            both.halves[taken][:, whole].tolist(),
            strict=True,
        )
    ]
    kept = tuple(name for name, known in zip(names, whole, strict=True) if known)
    return Scope(
        name=_name(found, settings),
        settings=settings,
        objectives=kept,
        tails=tuple(dict.fromkeys(_tail(found, each) for each in cells)),
        candidates=candidates,
        contests=tuple(contests),
        dominations=tuple(_dominations(matrix, candidates, contests, kept)),
    )


def _known(half: float) -> float | None:
    return None if math.isnan(half) else half


def _tail(found: Findings, cells: Sequence[Summary]) -> str:
    return objectives.tail(_samples(found, cells)).removesuffix("_ms")


def _samples(found: Findings, cells: Sequence[Summary]) -> list[Sample]:
    return [found.by_setting[each.key.setting].samples[each.key] for each in cells]


def _name(found: Findings, settings: Sequence[Setting]) -> str:
    if len(settings) == 1:
        return found.names[settings[0]]
    groups = list(dict.fromkeys(each.group for each in settings))
    return f"{', '.join(groups)}: {len(settings)} settings together"


def _candidate(matrix: Matrix, found: Findings, cells: tuple[Summary, ...]) -> Candidate:
    barred = filter(None, map(_barred, cells, _samples(found, cells)))
    unjudged = filter(None, (_unjudged(matrix, each) for each in cells))
    return Candidate(cells[0].key.stack, cells, next(barred, ""), next(unjudged, ""))


def _barred(cell: Summary, sample: Sample) -> str:
    where = f"on {cell.key.endpoint}"
    if cell.outcome != "ok":
        return f"{cell.outcome} {where}: {' '.join(cell.flags.split())}"
    if not all(sample.rps):
        return f"without one good answer in a block {where}"
    return f"did not keep the rate {where}" if sample.fell_behind else ""


def _unjudged(matrix: Matrix, cell: Summary) -> str:
    if (cell.error_pct or 0.0) > MAX_ERROR_PCT:
        return f"{cell.error_pct:.3g} % of its requests to {cell.key.endpoint} failed"
    wanted = _blocks_wanted(matrix)
    return f"{cell.blocks} of {wanted} blocks that a verdict needs" if cell.blocks < wanted else ""


def _blocks_wanted(matrix: Matrix) -> int:
    return max(2, matrix.run.min_blocks)


def _dominations(
    matrix: Matrix,
    candidates: Sequence[Candidate],
    contests: Sequence[Contest],
    names: Sequence[Objective],
) -> Iterator[Domination]:
    for each in contests:
        if each.blocks < _blocks_wanted(matrix):
            continue
        if candidates[each.first].unjudged or candidates[each.second].unjudged:
            continue
        for winner, loser, sign in ((each.first, each.second, -1), (each.second, each.first, 1)):
            standings = [
                _Standing(name, sign * log, half)
                for name, (log, half) in zip(names, each.ratios, strict=True)
            ]
            if all(it.no_better for it in standings) and any(it.worse for it in standings):
                yield Domination(winner, loser, _why(standings))


@dataclass(frozen=True, slots=True)
class _Standing:
    """Where one stack stands to another in one objective: the log of its ratio to it."""

    objective: Objective
    log: float
    half: float | None

    @property
    def no_better(self) -> bool:
        return self.half is not None and self._lost - self.half >= -MARGIN

    @property
    def worse(self) -> bool:
        return self.half is not None and self._lost - self.half > MARGIN

    @property
    def text(self) -> str:
        half = self.half or 0.0
        return ratio_text(*(math.exp(self.log + each) for each in (0.0, -half, half)))

    @property
    def _lost(self) -> float:
        """By how much it is worse, on the log scale."""
        return -self.log if OBJECTIVES[self.objective].more_is_better else self.log


def _why(standings: Sequence[_Standing]) -> str:
    worse = [f"{OBJECTIVES[it.objective].worse} ({it.text})" for it in standings if it.worse]
    alike = [OBJECTIVES[it.objective].label for it in standings if not it.worse]
    return ", ".join(worse) + (f"; no better in {' or '.join(alike)}" if alike else "")
