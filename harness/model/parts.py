"""How a block went from its first slice to its last."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parts:
    """A cell in each sixteenth of its slices, in the order of time, as `harness.parts` writes it.

    Empty with fewer slices than parts, and where one had no good answer or no figure.
    """

    rps_parts: str = ""
    app_cpu_parts: str = ""
