"""What is compared: an adapter, its options, and what stands between it and the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Via = Literal["pgbouncer"]
Lane = Literal["idiomatic", "matched"]


@dataclass(frozen=True, slots=True)
class Stack:
    """An adapter plus its options, under a name: the thing compared.

    `options` are complete but for what a setting sweeps: the adapter's defaults,
    its lane's preset, and what the matrix gives by hand, the later winning. `via` is what
    stands between it and the database.
    """

    name: str
    adapter: str
    lane: Lane
    options: Mapping[str, object]
    via: Via | None = None
