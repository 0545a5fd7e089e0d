"""What every section of a report is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.findings import Findings
from harness.matrix import Matrix


@dataclass(frozen=True)
class Material:
    """What was to be measured, what was found, and where: the contents of `env.json`."""

    matrix: Matrix
    found: Findings
    environment: Mapping[str, Any]
