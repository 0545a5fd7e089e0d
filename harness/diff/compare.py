"""Two sides -> what changed from the first, A, to the second, B. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness import fingerprint
from harness.columns import values
from harness.diff.absolutes import Absolute, absolutes
from harness.diff.changes import Change, changes, means
from harness.diff.failures import Failures, failures
from harness.diff.side import Side
from harness.fingerprint import Other
from harness.model import Endpoint, Key, Metric


@dataclass(frozen=True)
class Difference:
    """Everything that changed from `a` to `b`, and what keeps it from being said.

    `absolutes` is empty where there are `obstacles`. `means` are the geometric means of the
    changes of all cells of an endpoint, on the log scale.
    """

    a: str
    b: str
    changes: Sequence[Change]
    means: Mapping[tuple[Metric, Endpoint], float]
    absolutes: Sequence[Absolute]
    failures: Sequence[Failures]
    new: Sequence[Key]
    gone: Sequence[Key]
    tried: Sequence[Other]
    obstacles: Sequence[Other]
    same_blocks: bool

    @property
    def moved(self) -> list[Change]:
        """The baselines that changed themselves, as all the others see them."""
        return [each for each in self.named if each.key.stack == each.baseline]

    @property
    def named(self) -> list[Change]:
        """The changes that are proven and matter."""
        return [each for each in self.changes if each.verdict in ("faster", "slower")]


def compare(a: Side, b: Side) -> Difference:
    """Return what changed from `a` to `b`."""
    common = in_order(key for key in a.cells if key in b.cells)
    changed = changes(a, b, common)
    obstacles = fingerprint.obstacles(a.environment, b.environment, a.matrix, b.matrix)
    return Difference(
        a=a.label,
        b=b.label,
        changes=changed,
        means=means(changed),
        absolutes=[] if obstacles else absolutes(a, b, common),
        failures=failures(a, b, common),
        new=in_order(key for key in b.cells if key not in a.cells),
        gone=in_order(key for key in a.cells if key not in b.cells),
        tried=fingerprint.tried(a.environment, b.environment),
        obstacles=obstacles,
        same_blocks=a.cells == b.cells,
    )


def in_order(keys: Iterable[Key]) -> list[Key]:
    """Return `keys` by setting, each setting's by stack; numbers as numbers."""

    def place(key: Key) -> list[tuple[bool, object]]:
        return [(value is not None, value) for value in (*values(key.setting), key.stack)]

    return sorted(keys, key=place)
