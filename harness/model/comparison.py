"""One cell against its baseline."""

from dataclasses import dataclass
from typing import Literal

from harness.model.keys import Key

Metric = Literal["rps", "app_cpu_us", "p99_ms"]
Verdict = Literal["faster", "slower", "tie", "unclear", ""]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One cell against its baseline in one metric: a row of `pairs.csv`.

    `ratio` is cell over baseline, with its 95 % CI. `verdict` is empty where none may
    be given. For `rps` more is better, for the others less is. `rps` is compared in closed
    loops only, `p99_ms` in open loops only: there the rate is the same for all that keep it.
    """

    key: Key
    baseline: str
    metric: Metric
    ratio: float | None
    lo: float | None
    hi: float | None
    verdict: Verdict
    flags: str
