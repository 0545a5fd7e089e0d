"""How every plot looks: a card of its own on any page, one colour a stack, bytes that repeat.

matplotlib is imported here and in what imports this, and these are imported late: a
command that draws nothing must not wait for it.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

WIDTH_PX, RIGHT_PX = 860, 24
"""What GitHub shows at full size, and what is left free on the right of it."""

PX_PER_INCH = 100
"""matplotlib reckons in inches; with this, a point of text is 1.39 pixels."""

COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#1F1F1F",
    "#8C8C8C",
)
"""Those of Okabe and Ito (2008), told apart by the colour-blind; grey for their yellow,
which white paper swallows, and their black a little lighter than text."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Stacks beyond the colours get them again, with the next marker."""

INK, FAINT = "#24292F", "#D0D7DE"

SETTINGS: Mapping[Any, Any] = {
    "font.family": ["DejaVu Sans"],  # which matplotlib brings along
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # else it is looked for, by laying out all other text once more
    "axes.labelsize": 7.5,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "legend.frameon": False,
    # Text stays text: smaller, and found by a search.
    "svg.fonttype": "none",
    "text.parse_math": False,  # a $ in a name is a $
}

FONTS = ("'DejaVu Sans'", "'DejaVu Sans', Verdana, Arial, sans-serif")
"""The font that text is laid out for, and what shows it where there is none: as wide or less."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a stack is drawn, in every plot."""

    colour: str
    marker: str


def look(index: int) -> Look:
    """Return that of the matrix's stack number `index`."""
    return Look(COLOURS[index % len(COLOURS)], MARKERS[index // len(COLOURS) % len(MARKERS)])


@contextmanager
def applied() -> Iterator[None]:
    """Draw in this style, whatever the user's own matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        yield


class Canvas:
    """A figure whose panels are placed by the pixel, from the top left corner."""

    def __init__(self, height_px: float, title: str) -> None:
        self._height_px = height_px
        self._title = title
        self.figure = Figure(figsize=(WIDTH_PX / PX_PER_INCH, height_px / PX_PER_INCH))
        self.figure.set_dpi(PX_PER_INCH)
        self.figure.text(16 / WIDTH_PX, 1 - 24 / height_px, title, fontsize=10, fontweight="bold")

    def panel(self, left: float, top: float, width: float, height: float, title: str) -> Axes:
        """Return an empty panel under its title."""
        axes = self.figure.add_axes(
            (
                left / WIDTH_PX,
                1 - (top + height) / self._height_px,
                width / WIDTH_PX,
                height / self._height_px,
            )
        )
        axes.set_title(title, pad=6)
        return axes

    def note(self, text: str) -> None:
        """Say what there is to say at the bottom, small."""
        self.figure.text(16 / WIDTH_PX, 10 / self._height_px, text, fontsize=6.5)

    def legend(self, handles: Sequence[Line2D], columns: int, bottom: float) -> None:
        """Name the lines of all panels, from `bottom` up."""
        self.figure.legend(
            handles=handles,
            ncols=columns,
            loc="lower left",
            bbox_to_anchor=(16 / WIDTH_PX, bottom / self._height_px),
            borderpad=0,
            borderaxespad=0,
            handlelength=1.8,
        )

    def svg(self, name: str) -> str:
        """Return the picture. Ids in it are made from `name`, so that pages may hold several."""
        out = io.StringIO()
        about = {"Title": self._title, "Date": None, "Creator": None, "Format": None, "Type": None}
        with mpl.rc_context({"svg.hashsalt": name}):
            canvas = FigureCanvasSVG(self.figure)
            canvas.print_svg(out, metadata=about)  # type: ignore[no-untyped-call]
        return out.getvalue().replace(*FONTS)


def thousands(value: float, _position: int | None = None) -> str:
    """Return a tick's text: `12,000`, `0.5`."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def linear_from_zero(axes: Axes, most: float) -> None:
    """Make the horizontal axis begin at 0 and hold `most`, with few enough ticks to read."""
    axes.set_xlim(0, 1.05 * most or 1)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(thousands))
    axes.grid(visible=False, axis="y")


def logarithmic(axes: Axes, values: Sequence[float], *, vertical: bool = False) -> None:
    """Make an axis logarithmic, with room around `values` (above zero) and ticks to read."""
    low, high = min(values) / 1.3, max(values) * 1.3
    (axes.set_yscale if vertical else axes.set_xscale)("log")
    (axes.set_ylim if vertical else axes.set_xlim)(low, high)
    axis = axes.yaxis if vertical else axes.xaxis
    subs = (1.0,) if high / low > 300 else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(subs=subs, numticks=20))
    axis.set_major_formatter(FuncFormatter(thousands))
    axis.set_minor_formatter(NullFormatter())
