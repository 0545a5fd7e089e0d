"""Everything in a results folder that is computed from its observations. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from harness.beside import at_once
from harness.columns import values
from harness.findings import Findings
from harness.matrix import Matrix
from harness.model import Comparison, Key, Summary
from harness.results import pictures, tables
from harness.results.markdown import report
from harness.results.page import document

Half = tuple[str, dict[str, str]]
"""The text of `cells.csv`, and of each plot by its name."""


def files(
    matrix: Matrix,
    found: Findings,
    environment: Mapping[str, Any],
    *,
    draw: bool = False,
    aside: Callable[[Callable[[], Half]], Callable[[], Half]] = at_once,
) -> dict[str, str]:
    """Return file name -> text: `cells.csv`, `pairs.csv`, `report.md`, `report.html`, and plots.

    Plots if asked to `draw`: they take seconds, and the matrix may do without. `aside` is how
    the first table and the plots, half of the work, are made while all else is.
    """
    wanted = pictures.chosen(found) if draw and matrix.run.plots else pictures.Pictures()
    other = aside(lambda: (_cells(found), pictures.drawn(matrix, found, wanted)))
    pairs, markdown = _pairs(found), report(matrix, found, environment, wanted)
    page = document(matrix, found)
    cells, plots = other()
    return {
        "cells.csv": cells,
        "pairs.csv": pairs,
        "report.md": markdown,
        "report.html": page(plots),
        **plots,
    }


def _cells(found: Findings) -> str:
    measured = (*found.summaries.values(), *found.ceilings.values())
    cells = sorted(measured, key=lambda each: sorting(each.key))
    return tables.table(Summary, map(tables.summary_row, cells))


def _pairs(found: Findings) -> str:
    pairs = sorted(found.comparisons.values(), key=lambda each: (sorting(each.key), each.metric))
    return tables.table(Comparison, map(tables.comparison_row, pairs))


def sorting(key: Key) -> list[tuple[bool, Any]]:
    """Return what to sort cells by: the key's columns in order, numbers as numbers."""
    return [(value is not None, value) for value in values(key)]
