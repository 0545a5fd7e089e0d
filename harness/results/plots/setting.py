"""One setting in a picture: rate, latency, CPU, memory, and the blocks that they come from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from harness.model import Key, Summary
from harness.results.plots.style import (
    INK,
    RIGHT_PX,
    WIDTH_PX,
    Canvas,
    Look,
    linear_from_zero,
    logarithmic,
    thousands,
)

ROW_PX = 22
TITLE_PX, LEGEND_PX, AXIS_PX = 30, 16, 44
TOP_PX, GAP_PX = 40, 36
BLOCKS_PX = 150
PX_PER_LETTER = 6.6
"""Of a stack's name, in the widest of the fonts."""

PERCENTILES = (("p50", "o"), ("p90", "|"), ("p95", "|"), ("p99", "D"), ("max", "x"))
MEMORY = (("peak", 0.7, 0.22), ("end", 0.62, 0.4), ("idle", 0.3, 1.0))
"""Each a bar within the one before it."""

CPU = (("app", 1.0), ("db", 0.5), ("load", 0.22))
CPU_WORDS: Mapping[str, str] = {"app": "app", "db": "database", "load": "generator"}


@dataclass(frozen=True)
class Picture:
    """What is drawn: `cells` from the top, how each stack looks, and each block's req/s."""

    title: str
    cells: Sequence[Summary]
    looks: Mapping[str, Look]
    blocks: Mapping[Key, Mapping[int, float]]
    rate_unit: str = "req/s"

    @property
    def drawn(self) -> list[Summary]:
        """The cells that have a number."""
        return [cell for cell in self.cells if cell.outcome == "ok"]


def draw(picture: Picture, name: str) -> str:
    """Return the SVG."""
    rows = len(picture.cells) * ROW_PX + 8
    step = TITLE_PX + LEGEND_PX + rows + AXIS_PX
    over_time = any(len(each) > 1 for each in picture.blocks.values())
    missing = len(picture.cells) - len(picture.drawn)
    below = (TITLE_PX + BLOCKS_PX + AXIS_PX) * over_time + 16 * bool(missing)
    canvas = Canvas(TOP_PX + 2 * step + below, picture.title)
    names = max(len(cell.key.stack) for cell in picture.cells)
    left = 24 + PX_PER_LETTER * names
    width = (WIDTH_PX - left - GAP_PX - RIGHT_PX) / 2
    panels: Sequence[tuple[str, str, Callable[[Axes, Picture], None]]] = (
        ("Throughput", f"{picture.rate_unit}, with 95 % interval", _rates),
        ("Latency", "ms, logarithmic", _latencies),
        ("CPU of a request", "us per good answer", _cpu),
        ("Resident memory of the app", "MiB", _memory),
    )
    for index, (title, unit, fill) in enumerate(panels):
        column, row = index % 2, index // 2
        top = TOP_PX + row * step + TITLE_PX + LEGEND_PX
        axes = canvas.panel(left + column * (width + GAP_PX), top, width, rows, title)
        axes.title.set_position((0, 1))
        axes.set_title(title, pad=6 + LEGEND_PX * 0.72, loc="left")
        _rows(axes, picture, named=column == 0)
        axes.set_xlabel(unit)
        fill(axes, picture)
    if over_time:
        top = TOP_PX + 2 * step + TITLE_PX
        _blocks(
            canvas.panel(64, top, WIDTH_PX - 64 - RIGHT_PX, BLOCKS_PX, "Block by block"), picture
        )
    if missing:
        canvas.note("Left out, for they have no number: " + _absent(picture))
    return canvas.svg(name)


def _absent(picture: Picture) -> str:
    bad = [cell for cell in picture.cells if cell.outcome != "ok"]
    said = ", ".join(f"{cell.key.stack} ({cell.outcome})" for cell in bad[:3])
    return said + (f" and {len(bad) - 3} more" if len(bad) > 3 else "")


def _rows(axes: Axes, picture: Picture, *, named: bool) -> None:
    axes.set_ylim(len(picture.cells) - 0.5, -0.5)
    axes.set_yticks(
        range(len(picture.cells)), [cell.key.stack if named else "" for cell in picture.cells]
    )
    axes.spines["left"].set_visible(False)
    for index, cell in enumerate(picture.cells):
        if cell.outcome != "ok":
            axes.text(
                0.01,
                index,
                cell.outcome,
                transform=axes.get_yaxis_transform(),
                va="center",
                style="italic",
                color="#6E7781",
            )


def _each(picture: Picture) -> list[tuple[int, Summary, Look]]:
    return [
        (index, cell, picture.looks[cell.key.stack])
        for index, cell in enumerate(picture.cells)
        if cell.outcome == "ok"
    ]


def _rates(axes: Axes, picture: Picture) -> None:
    most = 0.0
    for index, cell, look in _each(picture):
        rate = cell.rps or 0.0
        low, high = cell.rps_lo or rate, cell.rps_hi or rate
        axes.barh(index, rate, 0.62, color=look.colour, alpha=0.85)
        for colour, width in (("white", 2.6), (INK, 1)):  # to be seen on a bar of any colour
            axes.plot([low, high], [index, index], color=colour, linewidth=width)
        axes.plot([rate], [index], look.marker, color=INK, markersize=3)
        most = max(most, high if high < 3 * rate else rate)
    linear_from_zero(axes, most)


def _latencies(axes: Axes, picture: Picture) -> None:
    every: list[float] = []
    for index, cell, look in _each(picture):
        found = [
            (value, marker)
            for name, marker in PERCENTILES
            if (value := getattr(cell.latency, f"{name}_ms")) is not None
        ]
        if not found:
            continue
        values = [value for value, _ in found]
        axes.plot([min(values), max(values)], [index, index], color=look.colour, linewidth=1)
        for value, marker in found:
            axes.plot([value], [index], marker, color=look.colour)
        every += values
    if every:
        logarithmic(axes, every)
    axes.grid(visible=False, axis="y")
    _legend(
        axes,
        [
            Line2D([], [], marker=m, color=INK, linestyle="", label=n)
            for n, m in (("p50", "o"), ("p90, p95", "|"), ("p99", "D"), ("max", "x"))
        ],
    )


def _cpu(axes: Axes, picture: Picture) -> None:
    most = 0.0
    for index, cell, look in _each(picture):
        begin = 0.0
        for name, alpha in CPU:
            value = getattr(cell.cost, f"{name}_cpu_us") or 0.0
            axes.barh(index, value, 0.62, left=begin, color=look.colour, alpha=alpha)
            begin += value
        most = max(most, begin)
    linear_from_zero(axes, most)
    _legend(axes, [Patch(color=INK, alpha=alpha, label=CPU_WORDS[name]) for name, alpha in CPU])


def _memory(axes: Axes, picture: Picture) -> None:
    most = 0.0
    for index, cell, look in _each(picture):
        for name, height, alpha in MEMORY:
            value = getattr(cell.cost, f"rss_{name}_mib") or 0.0
            axes.barh(index, value, height, color=look.colour, alpha=alpha)
            most = max(most, value)
    linear_from_zero(axes, most)
    _legend(axes, [Patch(color=INK, alpha=alpha, label=name) for name, _, alpha in MEMORY])


def _legend(axes: Axes, handles: Sequence[Line2D | Patch]) -> None:
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=len(handles),
        fontsize=6.5,
        handlelength=1,
        handletextpad=0.3,
        columnspacing=1,
        borderpad=0,
        borderaxespad=0.2,
    )


def _blocks(axes: Axes, picture: Picture) -> None:
    every: list[float] = []
    for _, cell, look in _each(picture):
        known = {block: rate for block, rate in picture.blocks[cell.key].items() if rate > 0}
        axes.plot(
            list(known), list(known.values()), marker=look.marker, color=look.colour, markersize=3
        )
        every += known.values()
    if every:
        logarithmic(axes, every, vertical=True)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(thousands))
    axes.set_xlabel("block, in the order measured: fresh servers in each")
    axes.set_ylabel(f"{picture.rate_unit}, logarithmic")
