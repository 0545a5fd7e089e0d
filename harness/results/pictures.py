"""Which plots a report has, under which names. matplotlib is loaded when one is drawn."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.findings import Findings
from harness.matrix import Matrix
from harness.model import Setting, Summary
from harness.results.store import PLOTS

MOST = 12
"""Plots of one report. Each takes a fifth of a second to draw, and a page to look at."""

MOST_SWEEPS = 8
"""Of these. The rest is for settings, the first of the matrix."""

MOST_FOR_ONE = 10
"""Settings for each of which there is room: a few of many hundreds would stand for nothing."""

SWEPT: Mapping[str, str] = {
    "limit": "rows",
    "concurrency": "connections",
    "pool_size": "pool size, connections",
    "workers": "workers",
    "rate": "rate, req/s",
    "rtt_ms": "round trip to the database, ms",
}
"""The axes that can be drawn along, and what stands below them."""


@dataclass(frozen=True, slots=True)
class Swept:
    """Settings that differ in one axis alone, in the order of its values.

    `held` says what the other axes of the group stand at, as `workers 1`.
    """

    axis: str
    settings: tuple[Setting, ...]
    held: tuple[str, ...]

    @property
    def title(self) -> str:
        """What it is called."""
        first = self.settings[0]
        return f"{first.group}: {first.endpoint}, by {_word(self.axis)}"


@dataclass(frozen=True)
class Pictures:
    """The plots of a report: their file names in the results folder, by what each shows.

    `without` are the settings that have none.
    """

    of: Mapping[Setting, str] = field(default_factory=dict)
    sweeps: Mapping[Swept, str] = field(default_factory=dict)
    without: int = 0


def chosen(found: Findings) -> Pictures:
    """Return what there is room for."""
    sweeps = list(swept(found))[:MOST_SWEEPS]
    room = MOST - len(sweeps)
    settings = found.settings[:room] if len(found.settings) <= MOST_FOR_ONE * room else []
    names = _distinct(
        [f"along-{each.title}" for each in sweeps] + [found.names[each] for each in settings]
    )
    of_sweeps = dict(zip(sweeps, names, strict=False))
    of_settings = dict(zip(settings, names[len(sweeps) :], strict=True))
    return Pictures(of_settings, of_sweeps, len(found.settings) - len(settings))


def drawn(matrix: Matrix, found: Findings, wanted: Pictures) -> dict[str, str]:
    """Return the SVG of each of `wanted`, by file name."""
    if not (wanted.of or wanted.sweeps):
        return {}
    from harness.results import plots

    looks = plots.looks(matrix.stacks)
    return {
        name: plots.along(
            each.title, SWEPT[each.axis], _lines(found, each), looks, _note(found, each), name
        )
        for each, name in wanted.sweeps.items()
    } | {
        name: plots.setting(found.names[each], found.by_setting[each], looks, name)
        for each, name in wanted.of.items()
    }


def swept(found: Findings) -> Iterator[Swept]:
    """Yield every axis along which a group has settings, all else as in the first of them."""
    families: dict[tuple[str, str], list[Setting]] = {}
    for each in found.settings:
        families.setdefault((each.group, each.endpoint), []).append(each)
    for settings in families.values():
        for axis in SWEPT:
            first = settings[0]
            along = [
                each
                for each in settings
                if getattr(each, axis) is not None
                and replace(each, **{axis: getattr(first, axis)}) == first
            ]
            if len(along) > 1:
                along.sort(key=lambda each: getattr(each, axis))
                yield Swept(axis, tuple(along), tuple(_held(settings, axis)))


def _held(settings: Sequence[Setting], along: str) -> Iterator[str]:
    for axis in (*SWEPT, "options"):
        if axis != along and len({getattr(each, axis) for each in settings}) > 1:
            yield f"{_word(axis)} {getattr(settings[0], axis)}"


def _word(axis: str) -> str:
    return SWEPT.get(axis, axis).partition(",")[0]


def _lines(found: Findings, sweep: Swept) -> dict[str, list[tuple[float, Summary]]]:
    lines: dict[str, list[tuple[float, Summary]]] = {}
    for setting in sweep.settings:
        for cell in found.of(setting):
            if cell.outcome == "ok":
                value = float(getattr(setting, sweep.axis))
                lines.setdefault(cell.key.stack, []).append((value, cell))
    return lines


def _note(found: Findings, sweep: Swept) -> str:
    cells = [cell for setting in sweep.settings for cell in found.of(setting)]
    bad = sum(cell.outcome != "ok" for cell in cells)
    said = []
    if bad:
        said.append(f"{bad} of {len(cells)} cells have no number and are left out.")
    if sweep.held:
        said.append(f"The other axes stand at: {', '.join(sweep.held)}.")
    return " ".join(said)


def _distinct(titles: Iterable[str]) -> list[str]:
    """Return a file name for each title, none twice."""
    names: list[str] = []
    for title in titles:
        stem = re.sub(r"[^\w.-]+", "-", title, flags=re.ASCII)
        ways = (f"{PLOTS}/{stem}{number}.svg" for number in ("", *range(2, MOST + 2)))
        names.append(next(name for name in ways if name not in names))
    return names
