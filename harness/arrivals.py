"""Open-loop figures of a block, and of a cell over its blocks. Pure."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness import histogram
from harness.load import figures
from harness.load.job import TargetAnswer
from harness.model import Observation, OpenLoop, OpenLoopBlock
from harness.thresholds import P99_MIN_REQUESTS, RATE_KEPT

CLOSED = OpenLoop(None, None, None, None, None, None)
CLOSED_BLOCK = OpenLoopBlock(CLOSED, "", "")
"""Of a closed loop, and of a block that was not measured."""


def of_block(answer: TargetAnswer) -> OpenLoopBlock:
    """Return what `answer` says of its arrivals."""
    found = figures.open_loop(answer)
    if found is None or answer.arrivals is None:
        return CLOSED_BLOCK
    return OpenLoopBlock(
        found, _packed(answer.arrivals.service_ns), _packed(answer.arrivals.lags_ns)
    )


def together_each(cells: Sequence[Sequence[Observation]]) -> Iterator[OpenLoop]:
    """Yield each cell's figures over its blocks: percentiles are those of all their requests."""
    blocks = [
        [row.open_loop for row in rows if row.open_loop.figures.offered_rps is not None]
        for rows in cells
    ]
    service = _merged(blocks, lambda each: each.service_latencies)
    lags = _merged(blocks, lambda each: each.schedule_lags)
    return map(_together, cells, blocks, service, lags)


def _together(
    rows: Sequence[Observation],
    blocks: Sequence[OpenLoopBlock],
    service: histogram.Counts,
    lags: histogram.Counts,
) -> OpenLoop:
    if not blocks:
        return CLOSED
    enough = all(row.requests >= P99_MIN_REQUESTS for row in rows)
    return OpenLoop(
        offered_rps=float(np.mean([each.figures.offered_rps for each in blocks])),
        service_p50_ms=histogram.percentile_ms(service, 50),
        service_p99_ms=histogram.percentile_ms(service, 99) if enough else None,
        schedule_lag_p99_ms=histogram.percentile_ms(lags, 99),
        late=sum(each.figures.late or 0 for each in blocks),
        dropped=sum(each.figures.dropped or 0 for each in blocks),
    )


def fell_behind(rows: Sequence[Observation]) -> bool:
    """Whether the stack of `rows`, together, answered fewer requests a second than were due."""
    offered_rps = sum(row.open_loop.figures.offered_rps or 0.0 for row in rows)
    return sum(row.rps or 0.0 for row in rows) < RATE_KEPT * offered_rps


def _packed(values_ns: bytes) -> str:
    values = figures.values(values_ns)
    # A lag may be 0 to the nanosecond; a bin begins at 1.
    return histogram.encode(histogram.counts(np.maximum(values, 1))) if len(values) else ""


def _merged(
    cells: Sequence[Sequence[OpenLoopBlock]], column: Callable[[OpenLoopBlock], str]
) -> Iterator[histogram.Counts]:
    return histogram.together_each(
        [[text for each in blocks if (text := column(each))] for blocks in cells]
    )
