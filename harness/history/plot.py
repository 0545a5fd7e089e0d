"""Series as a picture: a panel a cell, its ratio over the commits, steps marked.

matplotlib is imported here, and this is imported late.
"""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from harness.diff import wording
from harness.history.layout import step_text, titles
from harness.history.series import Point, Series
from harness.results.plots.style import (
    INK,
    RIGHT_PX,
    WIDTH_PX,
    Canvas,
    applied,
    look,
    thousands,
)

PANEL_PX, TOP_PX, BETWEEN_PX, BELOW_PX, LEFT_PX = 120, 76, 74, 50, 66
MOST_CELLS = 12
"""Panels in a picture: more of them is another question, and a smaller glob."""

MOST_TICKS = 14
"""Commits of seven letters side by side under a panel."""


def draw(found: Sequence[Series], title: str) -> str:
    """Return the SVG of the first `MOST_CELLS` of `found`, which holds a ratio."""
    shown = found[:MOST_CELLS]
    height = TOP_PX + len(shown) * (PANEL_PX + BETWEEN_PX) - BETWEEN_PX + BELOW_PX + 24
    names = titles(shown)
    with applied():
        canvas = Canvas(height, title)
        for number, each in enumerate(shown):
            top = TOP_PX + number * (PANEL_PX + BETWEEN_PX)
            width = WIDTH_PX - LEFT_PX - RIGHT_PX
            axes = canvas.panel(LEFT_PX, top, width, PANEL_PX, names[each.key])
            _panel(axes, each, look(number).colour)
        canvas.note(_note(len(found)))
        return canvas.svg("history")


def _panel(axes: Axes, each: Series, colour: str) -> None:
    points = [(at, point) for at, point in enumerate(each.points) if point.ratio is not None]
    if points:
        reach = [_reach(point) for _, point in points]
        axes.errorbar(
            [at for at, _ in points],
            [math.exp(point.ratio.value) for _, point in points if point.ratio],
            yerr=[[low for low, _ in reach], [high for _, high in reach]],
            color=colour,
            marker="o",
            capsize=2,
        )
    for at, point in enumerate(each.points):
        if point.stepped is not None and point.stepped.shift is not None:
            axes.axvline(at, color=INK, linestyle=":", linewidth=1)
            _say(axes, at, len(each.points), step_text(each, point))
    axes.set_ylabel(f"{wording.WORDS[each.metric]}, x baseline")
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(thousands))
    axes.margins(y=0.25)
    axes.set_xlim(-0.5, len(each.points) - 0.5)
    ticks = range(0, len(each.points), -(-len(each.points) // MOST_TICKS))
    axes.set_xticks(list(ticks), [each.points[at].run.commit[:7] for at in ticks])


def _say(axes: Axes, at: int, of: int, text: str) -> None:
    """Write beside the line of a step, on the side that has more room."""
    left = 2 * at >= of
    axes.annotate(
        text,
        (at, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-4 if left else 4, -8),
        textcoords="offset points",
        horizontalalignment="right" if left else "left",
        fontsize=6.5,
    )


def _reach(point: Point) -> tuple[float, float]:
    """Return how far the 95 % interval reaches below and above the ratio."""
    assert point.ratio is not None
    value, half = point.ratio.value, point.ratio.half_width or 0.0
    return math.exp(value) - math.exp(value - half), math.exp(value + half) - math.exp(value)


def _note(cells: int) -> str:
    more = f" The first {MOST_CELLS} of {cells} cells." if cells > MOST_CELLS else ""
    return f"Bars: 95 % interval over blocks. Dotted: a step, proven with Holm's correction.{more}"
