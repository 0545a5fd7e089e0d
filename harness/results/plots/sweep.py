"""One axis in a picture: how rate and latency follow what a matrix sweeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from harness.model import Summary
from harness.results.plots.style import (
    RIGHT_PX,
    WIDTH_PX,
    Canvas,
    Look,
    logarithmic,
    thousands,
)

PANEL_PX, TOP_PX, BELOW_PX = 220, 76, 50
LEFT_PX, BETWEEN_PX = 66, 70
LEGEND_ROW_PX = 16
MOST_TICKS = 8
"""Numbers of five digits side by side under a panel."""

LOGARITHMIC_FROM = 8
"""Times the least value: an axis from 4 to 200 would crowd all but the last into a corner."""


@dataclass(frozen=True)
class Sweep:
    """What is drawn: for each stack its cells by the value of the axis, those with a number."""

    title: str
    axis: str
    lines: Mapping[str, Sequence[tuple[float, Summary]]]
    looks: Mapping[str, Look]
    note: str


def draw(sweep: Sweep, name: str) -> str:
    """Return the SVG."""
    longest = max(map(len, sweep.lines))
    columns = max(1, min(len(sweep.lines), int((WIDTH_PX - LEFT_PX) / (30 + 6.6 * longest))))
    rows = -(-len(sweep.lines) // columns)
    height_px = TOP_PX + PANEL_PX + BELOW_PX + rows * LEGEND_ROW_PX + 24 * bool(sweep.note)
    canvas = Canvas(height_px, sweep.title)
    width = (WIDTH_PX - LEFT_PX - BETWEEN_PX - RIGHT_PX) / 2
    rates = canvas.panel(LEFT_PX, TOP_PX, width, PANEL_PX, "Throughput")
    tails = canvas.panel(LEFT_PX + width + BETWEEN_PX, TOP_PX, width, PANEL_PX, "Latency, p99")
    _rates(rates, sweep)
    _tails(tails, sweep)
    for axes in (rates, tails):
        _along(axes, sweep)
    canvas.legend(
        [
            Line2D([], [], color=look.colour, marker=look.marker, label=stack)
            for stack, look in sweep.looks.items()
            if stack in sweep.lines
        ],
        columns,
        bottom=8 + 24 * bool(sweep.note),
    )
    if sweep.note:
        canvas.note(sweep.note)
    return canvas.svg(name)


def _rates(axes: Axes, sweep: Sweep) -> None:
    most = 0.0
    for stack, cells in sweep.lines.items():
        look = sweep.looks[stack]
        rates = [cell.rps or 0.0 for _, cell in cells]
        axes.plot([x for x, _ in cells], rates, marker=look.marker, color=look.colour)
        for x, cell in cells:
            if cell.rps_lo is not None and cell.rps_hi is not None:
                axes.plot([x, x], [cell.rps_lo, cell.rps_hi], color=look.colour, linewidth=0.8)
                most = max(most, min(cell.rps_hi, 3 * (cell.rps or 0.0)))
        most = max(most, *rates)
    axes.set_ylim(0, 1.05 * most or 1)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(thousands))
    axes.set_ylabel("req/s, with 95 % interval")


def _tails(axes: Axes, sweep: Sweep) -> None:
    every: list[float] = []
    for stack, cells in sweep.lines.items():
        look = sweep.looks[stack]
        known = [(x, cell.latency.p99_ms) for x, cell in cells if cell.latency.p99_ms is not None]
        axes.plot(
            [x for x, _ in known],
            [value for _, value in known],
            marker=look.marker,
            color=look.colour,
        )
        every += [value for _, value in known]
    if every:
        logarithmic(axes, every, vertical=True)
    else:
        axes.text(
            0.5, 0.5, "fewer than 1,000 requests a block", transform=axes.transAxes, ha="center"
        )
        axes.set_yticks([])
    axes.set_ylabel("ms, logarithmic")


def _along(axes: Axes, sweep: Sweep) -> None:
    values = sorted({x for cells in sweep.lines.values() for x, _ in cells})
    wide = min(values) > 0 and max(values) / min(values) >= LOGARITHMIC_FROM
    if wide:
        axes.set_xscale("log")
    step = -(-len(values) // MOST_TICKS)
    axes.xaxis.set_major_locator(FixedLocator(values[::step]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(thousands))
    axes.set_xlabel(sweep.axis + ", logarithmic" * wide)
