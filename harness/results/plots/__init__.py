"""Findings as pictures: SVG files beside the report.

matplotlib is imported here, and this is imported late: a command that draws nothing must
not wait for it.
"""

from collections.abc import Iterable, Mapping, Sequence

from harness.findings import Found
from harness.model import Sample, Summary
from harness.results.plots.setting import Picture
from harness.results.plots.setting import draw as draw_setting
from harness.results.plots.style import Look, applied, look
from harness.results.plots.sweep import Sweep
from harness.results.plots.sweep import draw as draw_sweep


def looks(stacks: Iterable[str]) -> dict[str, Look]:
    """Return how each of a matrix's stacks is drawn: the same in every plot."""
    return {name: look(index) for index, name in enumerate(stacks)}


def setting(title: str, found: Found, looks: Mapping[str, Look], name: str) -> str:
    """Return the SVG of one setting, to be called `name`."""
    rates = {key: _rates(found.samples[key]) for key in found.summaries}
    picture = Picture(title, list(found.summaries.values()), looks, rates)
    with applied():
        return draw_setting(picture, name)


def along(
    title: str,
    axis: str,
    lines: Mapping[str, Sequence[tuple[float, Summary]]],
    looks: Mapping[str, Look],
    note: str,
    name: str,
) -> str:
    """Return the SVG of what follows an axis, to be called `name`."""
    with applied():
        return draw_sweep(Sweep(title, axis, lines, looks, note), name)


def _rates(sample: Sample) -> dict[int, float]:
    each = zip(sample.blocks, sample.rps, strict=True)
    return {block: rps for block, rps in each if rps is not None}
