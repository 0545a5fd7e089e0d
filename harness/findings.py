"""What a run found: summaries and comparisons of its cells, setting by setting. Pure."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TypeVar

import orjson

from harness import noises, plan, stats
from harness.load.capacity import Probe
from harness.matrix import Matrix
from harness.model import Comparison, Key, Machine, Metric, Observation, Sample, Setting, Summary
from harness.naming import names
from harness.probes import decode
from harness.slo import Slo
from harness.stats import Interval
from harness.uncollected import uncollected

Name = TypeVar("Name")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Twins:
    """One stack under two names in one setting: what their ratio is not 1 by is error."""

    one: Key
    other: Key
    ratios: Mapping[Metric, Interval]


@dataclass(frozen=True, slots=True)
class Found:
    """The cells of one setting in the matrix's order, summed up and compared.

    `machines` is what the machine did in each block. `slo` is there where the capacity is
    searched, `probes` are those of a cell's blocks. `ceilings` are in none of the others.
    It holds no observation: of ten thousand cells these take ten times the room.
    """

    summaries: Mapping[Key, Summary]
    comparisons: Mapping[tuple[Key, Metric], Comparison]
    baseline: str | None
    first_errors: Mapping[Key, Mapping[str, str]]
    twins: Sequence[Twins]
    machines: Sequence[Machine]
    slo: Slo | None
    probes: Mapping[Key, Sequence[Sequence[Probe]]]
    ceilings: Mapping[Key, Summary]
    samples: Mapping[Key, Sample]

    def primary(self, key: Key) -> Comparison | None:
        """Return the comparison that a cell is judged by: of req/s, in an open loop of p99."""
        return self.comparisons.get((key, stats.metrics(key.setting)[0]))


@dataclass(frozen=True)
class Findings:
    """What was found in each setting of a matrix, in its order, measured or not yet."""

    by_setting: Mapping[Setting, Found]

    @cached_property
    def settings(self) -> list[Setting]:
        """The settings in which a stack was measured, in the order of the matrix."""
        return [setting for setting, found in self.by_setting.items() if found.summaries]

    @cached_property
    def names(self) -> Mapping[Setting, str]:
        """What `settings` are called."""
        return names(self.settings)

    @cached_property
    def summaries(self) -> Mapping[Key, Summary]:
        """Every cell's summary."""
        return _joined(found.summaries for found in self.by_setting.values())

    @cached_property
    def comparisons(self) -> Mapping[tuple[Key, Metric], Comparison]:
        """Every cell against its baseline."""
        return _joined(found.comparisons for found in self.by_setting.values())

    @cached_property
    def baselines(self) -> Mapping[Setting, str]:
        """The baseline of every setting that has one."""
        return {
            setting: found.baseline
            for setting, found in self.by_setting.items()
            if found.baseline is not None
        }

    @cached_property
    def first_errors(self) -> Mapping[Key, Mapping[str, str]]:
        """The first message of each class, of every cell that had errors."""
        return _joined(found.first_errors for found in self.by_setting.values())

    @cached_property
    def twins(self) -> Sequence[Twins]:
        """The pairs of names that are one stack."""
        return list(chain.from_iterable(found.twins for found in self.by_setting.values()))

    @cached_property
    def machines(self) -> Sequence[Machine]:
        """What the machine did in each block."""
        return list(chain.from_iterable(found.machines for found in self.by_setting.values()))

    @cached_property
    def slos(self) -> Mapping[Setting, Slo]:
        """The settings whose capacity is searched."""
        return {
            setting: found.slo
            for setting, found in self.by_setting.items()
            if found.slo is not None
        }

    @cached_property
    def ceilings(self) -> Mapping[Key, Summary]:
        """The summaries of ceilings."""
        return _joined(found.ceilings for found in self.by_setting.values())

    def of(self, setting: Setting) -> list[Summary]:
        """Return the summaries of the cells of `setting`."""
        found = self.by_setting.get(setting)
        return list(found.summaries.values()) if found else []

    def primary(self, key: Key) -> Comparison | None:
        """Return the comparison that a cell is judged by: of req/s, in an open loop of p99."""
        return self.by_setting[key.setting].primary(key)

    def probes_of(self, key: Key) -> Sequence[Sequence[Probe]]:
        """Return the probes of each of the cell's blocks."""
        return self.by_setting[key.setting].probes.get(key, ())

    def ceilings_of(self, setting: Setting) -> list[Summary]:
        """Return the summaries of the ceilings of `setting`, which are in none of the above."""
        found = self.by_setting.get(setting)
        return list(found.ceilings.values()) if found else []

    def nearer_ceiling(self, setting: Setting) -> Summary | None:
        """Return the ceiling of `setting` with the lower rate: what would stop a stack first."""
        known = [each for each in self.ceilings_of(setting) if each.outcome == "ok" and each.rps]
        return min(known, key=lambda each: each.rps or 0.0, default=None)

    def having(self, setting: Setting, found: Found) -> "Findings":
        """Return these findings with those of one setting replaced: no other is looked at."""
        return Findings({**self.by_setting, setting: found})


def find(matrix: Matrix, observations: Iterable[Observation]) -> Findings:
    """Sum up `observations`, of cells of `matrix`, in any order."""
    return complete(matrix, find_each(matrix, observations))


@uncollected()
def find_each(matrix: Matrix, observations: Iterable[Observation]) -> dict[Setting, Found]:
    """Sum up `observations`, of cells of `matrix`, in any order: the settings that have any."""
    rows: dict[Setting, dict[Key, list[Observation]]] = defaultdict(dict)
    for key, each in stats.by_cell(observations).items():
        rows[key.setting][key] = each
    return _found(matrix, rows)


def complete(matrix: Matrix, measured: Mapping[Setting, Found]) -> Findings:
    """Return what was found, with the settings of `matrix` that were not measured yet."""
    settings = plan.settings(matrix)
    absent = _found(matrix, {each: {} for each in settings if each not in measured})
    return Findings({each: measured.get(each) or absent[each] for each in settings})


def find_in(matrix: Matrix, setting: Setting, observations: Iterable[Observation]) -> Found:
    """Sum up `observations`, of cells of `setting`."""
    return _found(matrix, {setting: stats.by_cell(observations)})[setting]


def _found(
    matrix: Matrix, settings: Mapping[Setting, Mapping[Key, Sequence[Observation]]]
) -> dict[Setting, Found]:
    """Sum up the rows of cells, setting by setting; what takes long is done for all at once."""
    rows = _joined(settings.values())
    stacks = {
        setting: [key for key in plan.cells_in(matrix, setting) if key in cells]
        for setting, cells in settings.items()
    }
    baselines = {each.name: matrix.baseline_of(each) for each in matrix.groups}
    summaries = dict(zip(rows, stats.summaries(list(rows.values())), strict=True))
    pairs: dict[Setting, dict[tuple[Key, Metric], Comparison]] = defaultdict(dict)
    for pair in stats.comparisons(
        {key: rows[key] for keys in stacks.values() for key in keys},
        lambda key: baselines[key.group],
        matrix.run.min_blocks,
    ):
        pairs[pair.key.setting][pair.key, pair.metric] = pair
    return {
        setting: _of_setting(matrix, setting, stacks[setting], cells, summaries, pairs[setting])
        for setting, cells in settings.items()
    }


def _of_setting(
    matrix: Matrix,
    setting: Setting,
    stacks: Sequence[Key],
    cells: Mapping[Key, Sequence[Observation]],
    summaries: Mapping[Key, Summary],
    comparisons: Mapping[tuple[Key, Metric], Comparison],
) -> Found:
    group = matrix.group(setting.group)
    limits = [each for each in plan.ceilings_in(matrix, setting) if each in cells]
    messages = {each: _first_messages(cells[each]) for each in stacks}
    return Found(
        summaries={each: summaries[each] for each in stacks},
        comparisons=comparisons,
        baseline=matrix.baseline_of(group),
        first_errors={each: found for each, found in messages.items() if found},
        twins=[
            Twins(one, other, ratios)
            for one, other in _same(matrix, stacks)
            if (ratios := _ratios(cells[other], cells[one]))
        ],
        machines=noises.of_blocks(row for each in stacks for row in cells[each]),
        slo=group.slo,
        probes={
            each: [decode(row.capacity.capacity_probes) for row in cells[each]] for each in stacks
        },
        ceilings={each: summaries[each] for each in limits},
        samples={each: stats.sample(cells[each]) for each in stacks},
    )


def _first_messages(rows: Sequence[Observation]) -> dict[str, str]:
    return {
        name: text
        for row in reversed(stats.spoken_for(rows))
        if row.first_errors
        for name, text in orjson.loads(row.first_errors).items()
    }


def _joined(many: Iterable[Mapping[Name, Value]]) -> dict[Name, Value]:
    return dict(chain.from_iterable(each.items() for each in many))


def _same(matrix: Matrix, keys: Sequence[Key]) -> Iterator[tuple[Key, Key]]:
    """Yield the cells of each setting that differ in the stack's name alone, the first first."""
    first: dict[tuple[object, ...], Key] = {}
    for key in keys:
        stack = matrix.stacks[key.stack]
        what = (key.setting, key.adapter, key.lane, stack.via, repr(stack.options), stack.side)
        if what in first:
            yield first[what], key
        first.setdefault(what, key)


def _ratios(cell: Sequence[Observation], base: Sequence[Observation]) -> dict[Metric, Interval]:
    found = {
        metric: stats.compare(cell, base, metric) for metric in stats.metrics(cell[0].key.setting)
    }
    return {metric: ratio for metric, ratio in found.items() if ratio is not None}


def precise(matrix: Matrix, found: Found) -> bool:
    """Whether every ratio of a setting (its req/s, if alone) is known to `precision`.

    A ratio of req/s; in an open loop of p99, or of app CPU where p99 is blank.
    """
    summaries = found.summaries.values()
    numbers = [each for each in summaries if each.outcome == "ok" and each.rps]
    if not numbers:
        # What fails will fail again; what noise made invalid may come out well next time.
        return bool(summaries) and not any(each.outcome == "invalid" for each in summaries)
    if any(each.blocks < matrix.run.min_blocks for each in numbers):
        return False
    compared = [each for each in numbers if found.primary(each.key) is not None] or numbers
    widths = [_width(found, each) for each in compared]
    return all(width is not None and width <= matrix.run.precision for width in widths)


def _width(found: Found, cell: Summary) -> float | None:
    """Return half the interval of the cell's ratio; of its req/s where no ratio can be had."""
    for metric in stats.metrics(cell.key.setting):  # p99 may be blank where CPU is known
        pair = found.comparisons.get((cell.key, metric))
        if pair is not None and pair.ratio is not None:
            return _half_width(pair.lo, pair.hi)
    return _half_width(cell.rps_lo, cell.rps_hi)


def _half_width(lo: float | None, hi: float | None) -> float | None:
    return None if lo is None or hi is None else math.log(hi / lo) / 2
