"""The search for a capacity: the most req/s that keep an SLO, and over how many connections.

A state machine without clocks or sockets. `next_step` says what to do, `told` takes what
came of it: double the connections until the SLO breaks, bisect between the last that
kept it and the first that did not, look around the best of all (a server may do less
with more), then verify it, and step down from it while it does not hold.

One probe may break the SLO by chance, a stall of the machine being enough. So where the
bisection ends, what broke it once has a second chance, and the bisection goes on from
there if it is kept then. That favours a lucky probe, which is why no probe is ever the
answer, only a verification.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.counted import counted
from harness.model import CapacityLimit
from harness.slo import Slo
from harness.thresholds import SLO_ERROR_PCT

RESOLUTION = 0.05
"""Of the concurrency, where the search ends: finer steps drown in the noise of a probe."""

PEAK_STEP = 1.5
"""Neighbours of the best probe further from it than this factor leave room for a better one."""

SAME_RATE = 0.01
"""Probes whose req/s differ by less are a tie, which the fewer connections win: beyond a
server's knee more of them add latency and nothing else, and chance would choose."""

MOST_VERIFICATIONS = 5
"""With steps down of 5, 10, 20 and 40 % they come to well under half of what was tried first."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of some load over `concurrency` connections.

    `percentile_ns` is the latency that the SLO is about, None without a good answer.
    `kept` tells whether the SLO was kept, with few enough errors and answers enough.
    """

    concurrency: int
    requests: int
    errors: int
    rps: float
    percentile_ns: int | None
    kept: bool
    took_s: float


@dataclass(frozen=True, slots=True)
class Search:
    """How far a search is: all that was told.

    It goes up to `most` connections, and looks for no better answer once its probes took
    `most_s`.
    """

    slo: Slo
    most: int
    most_s: float
    probes: tuple[Probe, ...] = ()
    verifications: tuple[Probe, ...] = ()

    @property
    def kept_at(self) -> int:
        """The largest concurrency that kept the SLO, 0 if none did."""
        return max((each.concurrency for each in self.probes if each.kept), default=0)

    @property
    def broken_at(self) -> int | None:
        """The least concurrency above `kept_at` that broke it."""
        kept_at = self.kept_at
        above = (each.concurrency for each in self.probes if each.concurrency > kept_at)
        return min(above, default=None)


@dataclass(frozen=True, slots=True)
class Try:
    """Probe this concurrency."""

    concurrency: int


@dataclass(frozen=True, slots=True)
class Verify:
    """Measure this concurrency as an answer is measured; `rps` is about what to expect."""

    concurrency: int
    rps: float


@dataclass(frozen=True, slots=True)
class Found:
    """The SLO is kept at `concurrency`; `limit` is why there was no looking further up.

    `connections` and `time` say that the capacity is at least this.
    """

    concurrency: int
    limit: CapacityLimit


@dataclass(frozen=True, slots=True)
class GaveUp:
    """No concurrency is known to keep the SLO, for this reason."""

    reason: str


Step = Try | Verify | Found | GaveUp


def next_step(search: Search) -> Step:
    """Return what to do now; `Found` and `GaveUp` are the end."""
    if not search.verifications:
        concurrency = _to_try(search)
        if concurrency is not None:
            return Try(concurrency)
    best = _best(search.probes)
    if best is None:
        return GaveUp(f"slo: {_failing(search.slo, _lowest(search.probes))}")
    if not search.verifications:
        return Verify(best.concurrency, best.rps)
    last = search.verifications[-1]
    if last.kept:
        return Found(last.concurrency, _limit(search))
    lower = _stepped_down(last.concurrency, len(search.verifications))
    if lower < 1 or len(search.verifications) == MOST_VERIFICATIONS:
        return GaveUp(
            f"slo: kept by a probe of {counted(best.concurrency, 'connection')}, "
            f"but not when verified: {_failing(search.slo, last)}"
        )
    return Verify(lower, best.rps)


def told(search: Search, probe: Probe) -> Search:
    """Return the search after the probe, or the verification, that `next_step` asked for."""
    if isinstance(next_step(search), Verify):
        return replace(search, verifications=(*search.verifications, probe))
    return replace(search, probes=(*search.probes, probe))


def judged(
    slo: Slo,
    concurrency: int,
    latencies_ns: Sequence[int],
    *,
    errors: int,
    window_s: float,
    took_s: float,
    least_requests: int = 1,
) -> Probe:
    """Return the probe that had these good answers in its window, and `errors` in all.

    The percentile is the nearest rank: of fewer than 100 answers, p99 is the slowest.
    """
    requests = len(latencies_ns)
    value = None
    if requests:
        value = sorted(latencies_ns)[math.ceil(requests * slo.percent / 100) - 1]
    return Probe(
        concurrency=concurrency,
        requests=requests,
        errors=errors,
        rps=requests / window_s if window_s else 0.0,
        percentile_ns=value,
        kept=(
            value is not None
            and value < slo.limit_ns
            and requests >= least_requests
            and not _too_many_errors(requests, errors)
        ),
        took_s=took_s,
    )


def requests_above(slo: Slo, above: int) -> int:
    """Return how many answers it takes for `above` of them to lie above the SLO's percentile."""
    return -(-above * 100 // (100 - slo.percent))


def _to_try(search: Search) -> int | None:
    """Return the concurrency to probe next; None once the search is narrow or long enough."""
    if search.probes and sum(each.took_s for each in search.probes) >= search.most_s:
        return None
    kept_at, broken_at = search.kept_at, search.broken_at
    if broken_at is None:
        if kept_at < search.most:
            return min(max(1, 2 * kept_at), search.most)
    elif not _narrow(kept_at, broken_at):
        return (kept_at + broken_at) // 2
    elif sum(each.concurrency == broken_at for each in search.probes) == 1:
        return broken_at
    return _beside_the_best(search)


def _beside_the_best(search: Search) -> int | None:
    """Return a concurrency half-way from the best probe to a neighbour that is far from it."""
    best = _best(search.probes)
    if best is None or best.concurrency == search.kept_at:
        return None
    tried = sorted({each.concurrency for each in search.probes})
    at = tried.index(best.concurrency)
    for low, high in itertools.pairwise(tried[max(0, at - 1) : at + 2]):
        if high - low > 1 and high > PEAK_STEP * low:
            return (low + high) // 2
    return None


def _narrow(kept_at: int, broken_at: int) -> bool:
    return broken_at - kept_at <= max(1.0, RESOLUTION * broken_at)


def _limit(search: Search) -> CapacityLimit:
    kept_at, broken_at = search.kept_at, search.broken_at
    if len(search.verifications) > 1 or (broken_at and _narrow(kept_at, broken_at)):
        return "slo"
    return "connections" if kept_at == search.most else "time"


def _best(probes: Sequence[Probe]) -> Probe | None:
    """Return the probe of most req/s that kept the SLO; of a tie, that of fewest connections."""
    kept = [each for each in probes if each.kept]
    most = max((each.rps for each in kept), default=0.0)
    near = [each for each in kept if each.rps >= (1 - SAME_RATE) * most]
    return min(near, key=lambda each: each.concurrency, default=None)


def _lowest(probes: Sequence[Probe]) -> Probe:
    return min(reversed(probes), key=lambda each: each.concurrency)


def _stepped_down(concurrency: int, failures: int) -> int:
    """Return fewer connections, by a step that doubles with each failure."""
    return min(concurrency - 1, int(concurrency * (1 - RESOLUTION * 2 ** (failures - 1))))


def _too_many_errors(requests: int, errors: int) -> bool:
    return 100 * errors > SLO_ERROR_PCT * (requests + errors)


def _failing(slo: Slo, probe: Probe) -> str:
    """Return in words what kept `probe` from keeping the SLO."""
    where = f"at {counted(probe.concurrency, 'connection')}"
    if probe.percentile_ns is None:
        return f"no good answer {where}"
    if _too_many_errors(probe.requests, probe.errors):
        error_pct = 100 * probe.errors / (probe.requests + probe.errors)
        return f"{error_pct:.3g} % errors {where}, asked for at most {SLO_ERROR_PCT:g} %"
    asked = f"asked for {str(slo).removeprefix(f'p{slo.percent} ')}"
    if probe.percentile_ns >= slo.limit_ns:
        slow_ms = probe.percentile_ns / 1e6
        shown = f"{slow_ms:.0f}" if slow_ms >= 10 else f"{slow_ms:.2g}"
        return f"p{slo.percent} {shown} ms {where}, {asked}"
    return f"only {probe.requests} answers {where}, too few for p{slo.percent}: raise run.measure"
