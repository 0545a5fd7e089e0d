"""What is compared: an adapter, its options, and what stands between it and the database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Via = Literal["pgbouncer"]
Lane = Literal["idiomatic", "matched"]


@dataclass(frozen=True, slots=True)
class Stack:
    """An adapter plus its options, under a name: the thing compared.

    `options` are complete but for what a setting sweeps: the adapter's defaults,
    its lane's preset, and what the matrix gives by hand, the later winning. `via` is what
    stands between it and the database. `by_hand` is how the matrix came to `options`, and no
    part of what a stack is. `side` is the side of `ab` that serves it, and then
    a part of its name: `asyncpg@HEAD~1`.
    """

    name: str
    adapter: str
    lane: Lane
    options: Mapping[str, object]
    via: Via | None = None
    by_hand: Mapping[str, object] = field(default_factory=dict, compare=False)
    side: str | None = None

    @property
    def own_name(self) -> str:
        """Its name without its side."""
        return self.name if self.side is None else self.name.removesuffix(f"@{self.side}")
