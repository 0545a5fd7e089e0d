"""What stood between a stack and its database."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pooler:
    """What the process between a stack and its database cost; None where there is none.

    `via_cpu_us` is its CPU for each good answer of a block, warm-up included.
    """

    via_cpu_us: float | None = None
