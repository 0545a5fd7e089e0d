"""Ceilings in a report: their rows below the stacks, and each stack's share of the nearer one."""

from collections.abc import Sequence

from harness.findings import Findings
from harness.model import Setting, Summary

HEADING = "of ceiling"
PLACE = 4
"""The share stands behind the verdict: both say how the rate compares."""


def with_shares(
    found: Findings, setting: Setting, stacks: Sequence[Summary], rows: Sequence[Sequence[str]]
) -> list[list[str]]:
    """Return the table rows of `stacks`, each with its share of the nearer ceiling put in."""
    nearer = found.nearer_ceiling(setting)
    return [
        [*row[:PLACE], share_text(stack, nearer), *row[PLACE:]]
        for stack, row in zip(stacks, rows, strict=True)
    ]


def set_apart(row: Sequence[str]) -> list[str]:
    """Return a ceiling's table row, made as a stack's is, as that of no stack."""
    name, rate, _against, _verdict, *rest = row
    return [f"*{name}*", rate, "ceiling", "", "", *rest]


def share_text(stack: Summary, ceiling: Summary | None) -> str:
    """Return how much of the ceiling's req/s the stack has: `42 % of pgbench`."""
    if ceiling is None or not ceiling.rps or stack.rps is None:
        return "-"
    percent = 100 * stack.rps / ceiling.rps
    digits = f"{percent:.0f}" if percent >= 10 else f"{percent:.2g}"
    return f"{digits} % of {ceiling.key.stack}"
