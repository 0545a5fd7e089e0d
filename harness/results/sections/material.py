"""What every section of a report is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.findings import Findings
from harness.matrix import Matrix
from harness.results.pictures import Pictures


@dataclass(frozen=True)
class Material:
    """What was to be measured, what was found, and where: the contents of `env.json`.

    `pictures` are those that the report may show.
    """

    matrix: Matrix
    found: Findings
    environment: Mapping[str, Any]
    pictures: Pictures = field(default_factory=Pictures)
