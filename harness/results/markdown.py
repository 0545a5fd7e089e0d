"""Findings -> `report.md`. Pure: the same findings give the same bytes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.findings import Findings
from harness.matrix import Matrix
from harness.results.pictures import Pictures
from harness.results.sections import (
    claims,
    connections,
    doubts,
    environment,
    errors,
    machine,
    memory,
    method,
    settings,
    sweeps,
    verdicts,
    without_number,
)
from harness.results.sections.material import Material

SECTIONS: Sequence[Callable[[Material], str]] = (
    verdicts.section,
    claims.section,
    sweeps.section,
    settings.section,
    connections.section,
    memory.section,
    errors.section,
    without_number.section,
    doubts.section,
    machine.section,
    method.section,
    environment.section,
)
"""In the order of the page. One that has nothing to say returns an empty text."""


def report(
    matrix: Matrix,
    found: Findings,
    environment: Mapping[str, Any],
    pictures: Pictures | None = None,
) -> str:
    """Return the whole report; it shows `pictures`, if there are any."""
    material = Material(matrix, found, environment, pictures or Pictures())
    parts = [f"# {matrix.name}", *(section(material) for section in SECTIONS)]
    return "\n\n".join(filter(None, parts)) + "\n"
