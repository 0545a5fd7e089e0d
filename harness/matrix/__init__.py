"""What to measure, as `matrix.toml` says it: checked key by key, then as a whole."""

from harness.matrix.claims import Claim, Expectation
from harness.matrix.matrix import Matrix, narrowed, quick
from harness.matrix.read import parse, read
from harness.matrix.sections import Affinity, DatabaseSection, Group, Load, Run

__all__ = [
    "Affinity",
    "Claim",
    "DatabaseSection",
    "Expectation",
    "Group",
    "Load",
    "Matrix",
    "Run",
    "narrowed",
    "parse",
    "quick",
    "read",
]
