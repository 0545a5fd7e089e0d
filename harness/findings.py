"""What a run found: summaries and comparisons of its cells, and the sentences that matter. Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from harness import noises, plan, stats
from harness.load.capacity import Probe
from harness.matrix import Matrix
from harness.model import Comparison, Key, Machine, Metric, Observation, Setting, Summary
from harness.probes import decode
from harness.slo import Slo
from harness.stats import Interval
from harness.thresholds import MAX_ERROR_PCT


@dataclass(frozen=True, slots=True)
class Twins:
    """One stack under two names in one setting: what their ratio is not 1 by is error."""

    one: Key
    other: Key
    ratios: Mapping[Metric, Interval]


@dataclass(frozen=True)
class Findings:
    """All cells of a matrix in its order, summed up and compared, measured or not yet.

    `machines` is what the machine did in each block. `slos` holds the settings whose
    capacity is searched, `probes` those of a cell's blocks.
    """

    summaries: Mapping[Key, Summary]
    comparisons: Mapping[tuple[Key, Metric], Comparison]
    baselines: Mapping[Setting, str]
    first_errors: Mapping[Key, Mapping[str, str]]
    twins: Sequence[Twins]
    machines: Sequence[Machine]
    slos: Mapping[Setting, Slo]
    probes: Mapping[Key, Sequence[Sequence[Probe]]]
    ceilings: Mapping[Key, Summary]

    @property
    def settings(self) -> list[Setting]:
        """The settings that have a cell, in the order of the matrix."""
        return list(dict.fromkeys(key.setting for key in self.summaries))

    def of(self, setting: Setting) -> list[Summary]:
        """Return the summaries of the cells of `setting`."""
        return [each for key, each in self.summaries.items() if key.setting == setting]

    def primary(self, key: Key) -> Comparison | None:
        """Return the comparison that a cell is judged by: of req/s, in an open loop of p99."""
        return self.comparisons.get((key, stats.metrics(key.setting)[0]))

    def ceilings_of(self, setting: Setting) -> list[Summary]:
        """Return the summaries of the ceilings of `setting`, which are in none of the above."""
        return [each for key, each in self.ceilings.items() if key.setting == setting]

    def nearer_ceiling(self, setting: Setting) -> Summary | None:
        """Return the ceiling of `setting` with the lower rate: what would stop a stack first."""
        known = [each for each in self.ceilings_of(setting) if each.outcome == "ok" and each.rps]
        return min(known, key=lambda each: each.rps or 0.0, default=None)


def find(matrix: Matrix, observations: Sequence[Observation]) -> Findings:
    """Sum up `observations`, of cells of `matrix`."""
    cells = stats.by_cell(observations)
    order = [key for key in plan.cells(matrix) if key in cells]
    baseline_of = {group.name: matrix.baseline_of(group) for group in matrix.groups}
    pairs = stats.comparisons(
        {key: cells[key] for key in order},
        lambda key: baseline_of[key.group],
        matrix.run.min_blocks,
    )
    messages = {
        key: {
            name: text
            for row in reversed(stats.spoken_for(cells[key]))
            if row.first_errors
            for name, text in orjson.loads(row.first_errors).items()
        }
        for key in order
    }
    return Findings(
        summaries={key: stats.summarise(cells[key]) for key in order},
        comparisons={(pair.key, pair.metric): pair for pair in pairs},
        baselines={
            key.setting: name for key in order if (name := baseline_of[key.group]) is not None
        },
        first_errors={key: found for key, found in messages.items() if found},
        twins=[
            Twins(one, other, ratios)
            for one, other in _same(matrix, order)
            if (ratios := _ratios(cells[other], cells[one]))
        ],
        machines=noises.of_blocks(row for key in order for row in cells[key]),
        slos={
            key.setting: slo for key in order if (slo := matrix.group(key.group).slo) is not None
        },
        probes={key: [decode(row.capacity.capacity_probes) for row in cells[key]] for key in order},
        ceilings={
            key: stats.summarise(cells[key]) for key in plan.ceilings(matrix) if key in cells
        },
    )


def _same(matrix: Matrix, keys: Sequence[Key]) -> Iterator[tuple[Key, Key]]:
    """Yield the cells of each setting that differ in the stack's name alone, the first first."""
    first: dict[tuple[object, ...], Key] = {}
    for key in keys:
        what = (key.setting, key.adapter, key.lane, repr(matrix.stacks[key.stack].options))
        if what in first:
            yield first[what], key
        first.setdefault(what, key)


def _ratios(cell: Sequence[Observation], base: Sequence[Observation]) -> dict[Metric, Interval]:
    found = {
        metric: stats.compare(cell, base, metric) for metric in stats.metrics(cell[0].key.setting)
    }
    return {metric: ratio for metric, ratio in found.items() if ratio is not None}


def precise(matrix: Matrix, found: Findings, setting: Setting) -> bool:
    """Whether every ratio of `setting` (its req/s, if alone) is known to `precision`.

    A ratio of req/s; in an open loop of p99, or of app CPU where p99 is blank.
    """
    summaries = found.of(setting)
    numbers = [each for each in summaries if each.outcome == "ok" and each.rps]
    if not numbers:
        # What fails will fail again; what noise made invalid may come out well next time.
        return bool(summaries) and not any(each.outcome == "invalid" for each in summaries)
    if any(each.blocks < matrix.run.min_blocks for each in numbers):
        return False
    compared = [each for each in numbers if found.primary(each.key) is not None] or numbers
    widths = [_width(found, each) for each in compared]
    return all(width is not None and width <= matrix.run.precision for width in widths)


def _width(found: Findings, cell: Summary) -> float | None:
    """Return half the interval of the cell's ratio; of its req/s where no ratio can be had."""
    for metric in stats.metrics(cell.key.setting):  # p99 may be blank where CPU is known
        pair = found.comparisons.get((cell.key, metric))
        if pair is not None and pair.ratio is not None:
            return _half_width(pair.lo, pair.hi)
    return _half_width(cell.rps_lo, cell.rps_hi)


def sentences(found: Findings) -> list[str]:
    """Return the sentences that matter: how fast, how soon, at what cost, how sure."""
    said = [_speed(found), _latency(found), _cost(found), _certainty(found)]
    return [each for each in said if each]


def ratio_text(ratio: float, lo: float | None, hi: float | None) -> str:
    """Return `1.33x [1.31, 1.35]`, or `1.33x` where there is no interval."""
    if lo is None or hi is None:
        return f"{ratio:.2f}x"
    places = min(4, max(2, 1 - math.floor(math.log10(max((hi - lo) / 2, 1e-6)))))
    return f"{ratio:.{places}f}x [{lo:.{places}f}, {hi:.{places}f}]"


def setting_text(setting: Setting, among: Sequence[Setting]) -> str:
    """Return a setting's name: its group, endpoint, and the axes that differ `among` the group's.

    The group is left out where all are of one.
    """
    parts: list[str] = [setting.endpoint]
    for name, unit in (
        ("limit", " rows"),
        ("concurrency", " connections"),
        ("rate", " req/s"),
        ("pool_size", " pooled"),
        ("workers", " workers"),
    ):
        # The group stands before it: what differs between groups need not be said again.
        same = [
            each
            for each in among
            if each.endpoint == setting.endpoint and (name == "rate" or each.group == setting.group)
        ]
        value = getattr(setting, name)
        if name == "rate" and value is not None:  # said even when alone: it is another question
            parts.append(f"{value:g}{unit}")
        elif len({getattr(each, name) for each in same}) > 1:
            parts.append("closed loop" if name == "rate" else f"{value}{unit}")
    text = ", ".join(parts)
    return text if len({each.group for each in among}) == 1 else f"{setting.group}: {text}"


def _speed(found: Findings) -> str:
    best: list[tuple[Setting, Comparison]] = []
    for setting in found.settings:
        pairs = [
            pair
            for (key, metric), pair in found.comparisons.items()
            if key.setting == setting and metric == "rps" and pair.ratio and _sound(found, pair)
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
        name = setting_text(setting, found.settings)
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
            for (key, metric), pair in found.comparisons.items()
            if key.setting == setting and metric == "p99_ms" and pair.ratio and pair.verdict
        ]
        if pairs:
            least = min(pairs, key=lambda pair: (pair.verdict != "faster", pair.ratio))
            text = ratio_text(least.ratio or 0.0, least.lo, least.hi)
            name = setting_text(setting, found.settings)
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
        name = setting_text(least.key.setting, found.settings)
        against = ""
        if pair is not None and pair.ratio is not None:
            against = f", {pair.ratio:.2f}x that of {pair.baseline}"
        parts.append(f"{least.key.stack} on {name} ({cpu_us:.0f} us a request{against})")
    return "Least app CPU: " + "; ".join(parts) + "."


def _certainty(found: Findings) -> str:
    cells = list(found.summaries.values())
    bad = [each for each in cells if each.outcome != "ok"]
    blocks = [each.blocks for each in cells if each.outcome == "ok"]
    unclear = [pair for pair in found.comparisons.values() if pair.verdict == "unclear"]
    parts = [
        f"{len(cells) - len(bad)} of {len(cells)} cells have a number"
        + (f", from {_span(blocks)} blocks each" if blocks else "")
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


def _span(numbers: Sequence[int]) -> str:
    return str(min(numbers)) if min(numbers) == max(numbers) else f"{min(numbers)}-{max(numbers)}"


def _half_width(lo: float | None, hi: float | None) -> float | None:
    return None if lo is None or hi is None else math.log(hi / lo) / 2
