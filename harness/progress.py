"""What a person sees while a run goes on: a live table on a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Iterator
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.budget import Standing
from harness.duration import format_duration
from harness.findings import Findings
from harness.model import Setting, Summary
from harness.results.figures import rate_text, verdict_text
from harness.sentences import ratio_text


class Progress(Protocol):
    """Where the runner says what it does."""

    def doing(self, what: str) -> None:
        """Name the phase that begins."""

    def saying(self, line: str) -> None:
        """Print a line that stays."""

    def beginning(self, setting: str, standing: Standing) -> None:
        """Announce a block."""

    def found(self, findings: Findings, setting: Setting) -> None:
        """Show the cells as they stand; `setting` has just had a block."""


class Lines:
    """One plain line a block: for logs, pipes and CI."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def doing(self, what: str) -> None:
        """Phases are too many for a log."""

    def saying(self, line: str) -> None:
        """Print the line."""
        self._print(line)

    def beginning(self, setting: str, standing: Standing) -> None:
        """Print the block's number, its setting and the time left."""
        self._print(f"block {standing.number}: {setting}  {_clock(standing)}")

    def found(self, findings: Findings, setting: Setting) -> None:
        """Print the cells of the setting that was just measured."""
        for cell in findings.of(setting):
            pair = findings.primary(cell.key)
            against = ""
            if pair is not None and pair.ratio is not None:
                of = "" if pair.metric == "rps" else f"the {pair.metric.removesuffix('_ms')} of "
                against = f"  {ratio_text(pair.ratio, pair.lo, pair.hi)} {of}{pair.baseline}"
            text = f"{rate_text(cell)} req/s" if cell.outcome == "ok" else cell.outcome
            doubts = f"  ({cell.flags})" if cell.flags else ""
            self._print(f"  {cell.key.stack}: {text}{against}{doubts}")
        for cell in findings.ceilings_of(setting):
            text = f"{rate_text(cell)} req/s" if cell.outcome == "ok" else cell.outcome
            self._print(f"  ceiling {cell.key.stack}: {text}")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class Screen:
    """A table that sharpens block by block, and one line that tells the time."""

    def __init__(self, live: Live, console: Console) -> None:
        self._live = live
        self._console = console
        self._findings: Findings | None = None
        self._latest: Setting | None = None
        self._setting = ""
        self._what = "starting Postgres"
        self._standing: Standing | None = None
        self._since = time.monotonic()

    def doing(self, what: str) -> None:
        """Name the phase in the status line."""
        self._what = what
        self._live.update(self)

    def saying(self, line: str) -> None:
        """Print the line above the table."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def beginning(self, setting: str, standing: Standing) -> None:
        """Name the block in the status line and start its clock."""
        self._setting, self._standing, self._since = setting, standing, time.monotonic()
        self._live.update(self)

    def found(self, findings: Findings, setting: Setting) -> None:
        """Redraw the table."""
        self._findings, self._latest = findings, setting
        self._live.update(self)

    def __rich__(self) -> Group:
        """Return the table and the status line as they are now (asked for at every refresh)."""
        status = Text(self._status(), style="dim")
        if self._findings is None:
            return Group(status)
        room = max(6, self._console.size.height - 6)
        return Group(_table(self._findings, self._latest, room), status)

    def _status(self) -> str:
        if self._standing is None:
            return self._what
        passed = time.monotonic() - self._since
        standing = Standing(
            self._standing.number,
            self._standing.most,
            self._standing.elapsed_s + passed,
            self._standing.budget_s,
            max(0.0, self._standing.eta_s - passed),
        )
        return f"block {standing.number}: {self._setting}: {self._what}  {_clock(standing)}"


@contextlib.contextmanager
def shown(console: Console, *, live: bool) -> Iterator[Progress]:
    """Yield the progress that suits `console`: a table on a terminal, lines elsewhere."""
    if not live or not console.is_terminal:
        yield Lines(console)
        return
    with Live(console=console, refresh_per_second=2, transient=True) as display:
        screen = Screen(display, console)
        display.update(screen)
        yield screen


def _clock(standing: Standing) -> str:
    left = max(0.0, standing.budget_s - standing.elapsed_s)
    return (
        f"[{_round(standing.elapsed_s)} elapsed, about {_round(standing.eta_s)} to go, "
        f"{_round(left)} of budget left]"
    )


def _round(seconds: float) -> str:
    if seconds < 90:
        return format_duration(round(seconds)) if seconds >= 0.5 else "0s"
    return f"{round(seconds / 60)}m"


def _table(findings: Findings, latest: Setting | None, room: int) -> Table:
    """Draw as many settings as `room` lines hold, the one measured last always among them."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for heading in ("blocks", "req/s", "against baseline", "", "p50 ms", "p99 ms", "app us"):
        table.add_column(heading, justify="right")
    table.add_column("errors", justify="right")
    for setting in _fitting(findings, latest, room):
        title = findings.names[setting]
        table.add_row(Text(title, style="bold cyan" if setting == latest else "bold"))
        for cell in findings.of(setting):
            table.add_row(*_row(findings, cell))
        for cell in findings.ceilings_of(setting):
            table.add_row(*_ceiling_row(cell), style="dim")
    return table


def _fitting(findings: Findings, latest: Setting | None, room: int) -> list[Setting]:
    wanted = sorted(findings.settings, key=lambda each: each != latest)
    kept: list[Setting] = []
    lines = 0
    for setting in wanted:
        lines += 1 + len(findings.of(setting)) + len(findings.ceilings_of(setting))
        if lines <= room or not kept:
            kept.append(setting)
    return [setting for setting in findings.settings if setting in kept]


def _row(findings: Findings, cell: Summary) -> list[Text]:
    if cell.outcome != "ok":
        return [Text(f"  {cell.key.stack}"), Text(cell.outcome, style="red"), Text(cell.flags)]
    pair = findings.primary(cell.key)
    ratio, verdict = "baseline", ""
    if pair is not None:
        verdict = verdict_text(pair, cell.blocks)
        ratio = "" if pair.ratio is None else ratio_text(pair.ratio, pair.lo, pair.hi)
    style = {"faster": "green", "slower": "yellow"}.get(verdict, "")
    return [
        Text(f"  {cell.key.stack}"),
        Text(str(cell.blocks)),
        Text(rate_text(cell)),
        Text(ratio),
        Text(verdict, style=style),
        _ms(cell.latency.p50_ms),
        _ms(cell.latency.p99_ms),
        Text("" if cell.cost.app_cpu_us is None else f"{cell.cost.app_cpu_us:.0f}"),
        Text(str(cell.errors), style="red" if cell.errors else "dim"),
    ]


def _ceiling_row(cell: Summary) -> list[Text]:
    if cell.outcome != "ok":
        return [Text(f"  {cell.key.stack}"), Text(cell.outcome), Text(cell.flags)]
    columns = (f"  {cell.key.stack}", str(cell.blocks), rate_text(cell), "ceiling")
    return [Text(each) for each in columns]


def _ms(value: float | None) -> Text:
    return Text("" if value is None else f"{value:.2f}")
