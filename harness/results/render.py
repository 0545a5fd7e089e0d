"""Everything in a results folder that is computed from its observations. Pure."""

from collections.abc import Mapping
from typing import Any

from harness.columns import values
from harness.findings import Findings
from harness.matrix import Matrix
from harness.model import Comparison, Key, Summary
from harness.results import pictures, tables
from harness.results.markdown import report
from harness.results.page import document


def files(
    matrix: Matrix, found: Findings, environment: Mapping[str, Any], *, draw: bool = False
) -> dict[str, str]:
    """Return file name -> text: `cells.csv`, `pairs.csv`, `report.md`, `report.html`, and plots.

    Plots if asked to `draw`: they take seconds, and the matrix may do without.
    """
    shown = pictures.drawn(matrix, found) if draw and matrix.run.plots else pictures.Pictures()
    measured = (*found.summaries.values(), *found.ceilings.values())
    cells = sorted(measured, key=lambda each: sorting(each.key))
    pairs = sorted(found.comparisons.values(), key=lambda each: (sorting(each.key), each.metric))
    return {
        "cells.csv": tables.table(Summary, map(tables.summary_row, cells)),
        "pairs.csv": tables.table(Comparison, map(tables.comparison_row, pairs)),
        "report.md": report(matrix, found, environment, shown),
        "report.html": document(matrix, found, shown.files),
        **shown.files,
    }


def sorting(key: Key) -> list[tuple[bool, Any]]:
    """Return what to sort cells by: the key's columns in order, numbers as numbers."""
    return [(value is not None, value) for value in values(key)]
