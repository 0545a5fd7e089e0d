"""What the connections of a stack did under load: of one block, and of several. Pure."""

import operator
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import orjson

from harness import histogram, waits
from harness.model import Connections, ConnectionsBlock
from harness.waits import Waits

if TYPE_CHECKING:  # psycopg, which only a run has a use for, takes a tenth of a second
    from harness.database.sampling import Seen

_seen = operator.attrgetter(
    "connections_active", "connections_idle", "connections_idle_in_transaction", "worker_split"
)
OFTEN = 0.1
"""A last statement is named when at least this share of the idle connections had it."""


def of_block(seen: "Seen", waited: Waits | None, split: Sequence[int]) -> ConnectionsBlock:
    """Return what one block tells; `split` is connections of clients by worker."""
    looked = seen.most > 0
    figures = Connections(
        connections_active=seen.by_state.get("active", 0) if looked else None,
        connections_idle=seen.by_state.get("idle", 0) if looked else None,
        connections_idle_in_transaction=(
            seen.by_state.get("idle in transaction", 0) if looked else None
        ),
        last_statement=_often(seen.last_statements),
        pool_wait_mean_ms=None if waited is None else waited.mean_ms,
        pool_wait_p99_ms=None if waited is None else waited.p99_ms,
        worker_split="/".join(map(str, sorted(split, reverse=True))),
    )
    return ConnectionsBlock(
        figures,
        last_statements=_encoded(seen.last_statements),
        pool_waits="" if waited is None else histogram.encode(waited.counts),
    )


def together_each(cells: Sequence[Sequence[ConnectionsBlock]]) -> Iterator[Connections]:
    """Yield what each cell's blocks tell: peaks, waits of all requests, the most uneven split."""
    waited = waits.together_each([each.pool_waits for each in blocks] for blocks in cells)
    return map(_together, cells, waited)


def _together(blocks: Sequence[ConnectionsBlock], waited: Waits) -> Connections:
    if not blocks:
        return Connections()
    statements: Counter[str] = Counter()
    for text, often in Counter(each.last_statements for each in blocks).items():
        for name, count in _decoded(text).items():
            statements[name] += often * count
    active, idle, in_transaction, splits = zip(
        *(_seen(each.figures) for each in blocks), strict=True
    )
    return Connections(
        connections_active=_most(active),
        connections_idle=_most(idle),
        connections_idle_in_transaction=_most(in_transaction),
        last_statement=_often(statements),
        pool_wait_mean_ms=waited.mean_ms,
        pool_wait_p99_ms=waited.p99_ms,
        worker_split=max(dict.fromkeys(splits), key=_largest),
    )


def _often(statements: Counter[str]) -> str:
    least = OFTEN * statements.total()
    ordered = sorted(statements.items(), key=lambda each: (-each[1], each[0]))
    return "; ".join(name for name, count in ordered if count >= least)


def _most(values: Sequence[int | None]) -> int | None:
    return max([value for value in values if value is not None], default=None)


def _largest(split: str) -> int:
    return int(split.partition("/")[0] or 0)


def _encoded(statements: Mapping[str, int]) -> str:
    return orjson.dumps(statements, option=orjson.OPT_SORT_KEYS).decode() if statements else ""


def _decoded(text: str) -> Mapping[str, int]:
    """Undo `_encoded`. Raises ValueError for anything else."""
    found = orjson.loads(text or "{}")
    if not isinstance(found, dict) or not all(isinstance(each, int) for each in found.values()):
        raise ValueError("not counts of last statements")
    return found
