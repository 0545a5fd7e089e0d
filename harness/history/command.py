"""The `history` command: commits in, a text, a JSON document or a picture out."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

from harness.diff import revisions, sources
from harness.diff.side import Side
from harness.diff.text import text
from harness.errors import BadInput
from harness.history.layout import layout, to_json
from harness.history.series import Run, Series, series
from harness.model import Key
from harness.naming import cell_name, short_name
from harness.results.store import BLOCKS
from harness.uncollected import uncollected


@dataclass(frozen=True, slots=True)
class History:
    """What to print: the series of `name`, in so many commits, and what was `left_out`."""

    name: str
    series: Sequence[Series]
    commits: int
    left_out: Sequence[str]

    def text(self) -> str:
        """Plain text in columns."""
        return text(layout(self.series, self.commits))

    def json(self) -> str:
        """One JSON object."""
        return to_json(self.name, self.series, self.left_out)

    def svg(self) -> str:
        """Return a picture."""
        from harness.history import plot  # late: matplotlib takes a second

        return plot.draw(self.series, f"{self.name}: ratios to the baseline, commit by commit")


def history(pattern: str, name: str | None) -> History:
    """Follow the cells that `pattern` matches through the commits of this repository.

    Raises `BadInput` when there is no repository, no results of that `name`, or no such cell.
    """
    head = sources.Commit("HEAD", revisions.resolve(Path(), "HEAD"), Path(), sources.RESULTS)
    chosen = sources.chosen(head, head, name)
    with uncollected():
        runs, left_out = _runs(chosen)
        keys = _matching(runs, pattern)
        return History(chosen, series(runs, keys), len(runs), left_out)


def _runs(name: str) -> tuple[list[Run], list[str]]:
    """Return what each commit holds that changed the blocks of `name`, and what is left out."""
    runs: list[Run] = []
    left_out: list[str] = []
    for each in revisions.log(Path(), sources.RESULTS / name / BLOCKS):
        source = sources.Commit(each.commit[:7], each.commit, Path(), sources.RESULTS)
        try:
            side, damage = sources.read(source, name)
        except BadInput as error:
            left_out.append(f"{error}; this commit is left out")
            continue
        left_out += damage
        runs.append(Run(each.commit, each.date, each.subject, side))
    earlier = {run.commit for run, after in pairwise(runs) if _goes_on(run, after)}
    left_out += [
        f"{run.commit[:7]}: its run goes on in the next commit, and is shown there"
        for run in runs
        if run.commit in earlier
    ]
    return [run for run in runs if run.commit not in earlier], left_out


def _goes_on(run: Run, after: Run) -> bool:
    """Whether `after` holds all blocks of `run`: it was resumed, and is no second sample."""
    return all(_holds(after.side, run.side, key) for key in run.side.cells)


def _holds(after: Side, before: Side, key: Key) -> bool:
    if key not in after.cells:
        return False
    return before.cells[key].logs["rps"].items() <= after.cells[key].logs["rps"].items()


def _matching(runs: Sequence[Run], pattern: str) -> list[Key]:
    """Return the cells whose name `pattern` matches, in the order in which they came up."""
    every = dict.fromkeys(key for run in reversed(runs) for key in run.side.cells)
    found = [key for key in every if _is_meant(key, pattern)]
    if not found:
        names = list(dict.fromkeys(map(short_name, every)))
        some = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise BadInput(f"{pattern}: matches no cell; there are {some or 'none'}")
    return found


def _is_meant(key: Key, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in (short_name(key), cell_name(key)))
