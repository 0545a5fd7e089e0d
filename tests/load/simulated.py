"""Servers that are a formula: their capacity under an SLO is known, their answers are noisy."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

from harness.load.capacity import (
    Found,
    GaveUp,
    Probe,
    Search,
    Try,
    Verify,
    judged,
    next_step,
    requests_above,
    told,
)
from harness.slo import Slo
from harness.thresholds import SLO_ABOVE_ANSWER, SLO_ABOVE_PROBE


@dataclass(frozen=True)
class Simulated:
    """A closed loop over a server that follows Gunther's law of scaling, with lognormal latencies.

    Mean latency at N connections is `alone_s (1 + queueing (N - 1) + crosstalk N (N - 1))`:
    with `queueing` 0 more connections cost nothing, with 1 the server works one by one.
    Beyond `refuses_beyond` connections one answer in twenty is an error.
    """

    alone_s: float = 0.005
    queueing: float = 0.1
    crosstalk: float = 0.0
    scatter: float = 0.3
    refuses_beyond: int = 10**9

    def mean_s(self, n: int) -> float:
        return self.alone_s * (1 + self.queueing * (n - 1) + self.crosstalk * n * (n - 1))

    def rps(self, n: int) -> float:
        return n / self.mean_s(n)

    def percentile_s(self, percent: int, n: int) -> float:
        quantile = NormalDist().inv_cdf(percent / 100)
        return self.mean_s(n) * math.exp(self.scatter * quantile - self.scatter**2 / 2)

    def keeps(self, slo: Slo, n: int) -> bool:
        return n <= self.refuses_beyond and self.percentile_s(slo.percent, n) < slo.limit_s

    def capacity(self, slo: Slo, most: int) -> float | None:
        """Return the most req/s that keep `slo`, over up to `most` connections."""
        return max((self.rps(n) for n in range(1, most + 1) if self.keeps(slo, n)), default=None)


@dataclass(frozen=True)
class Noise:
    """What a machine adds: a speed that differs between probes, and stalls in some of them."""

    speed: float = 0.0
    stalls: float = 0.0
    stall_s: float = 0.2


QUIET = Noise()
SHARED = Noise(speed=0.05, stalls=0.05)


def probe(
    server: Simulated, slo: Slo, n: int, chance: random.Random, noise: Noise, above: int
) -> Probe:
    """Return what a probe long enough for `above` answers over the percentile would see."""
    wanted = max(requests_above(slo, above), 20 * n)
    slower = math.exp(chance.gauss(0, noise.speed))
    middle = math.log(server.mean_s(n) * slower) - server.scatter**2 / 2
    latencies_s = [chance.lognormvariate(middle, server.scatter) for _ in range(wanted)]
    window_s = sum(latencies_s) / n
    if chance.random() < noise.stalls:
        window_s += noise.stall_s
        for i in range(min(n, wanted)):  # those that were under way
            latencies_s[i] += noise.stall_s
    return judged(
        slo,
        n,
        [round(each * 1e9) for each in latencies_s],
        errors=wanted // 20 if n > server.refuses_beyond else 0,
        window_s=window_s,
        took_s=window_s,
        least_requests=requests_above(slo, min(above, SLO_ABOVE_PROBE)),
    )


def searched(
    server: Simulated,
    slo: Slo,
    *,
    most: int = 256,
    most_s: float = 1000.0,
    seed: int = 0,
    noise: Noise = QUIET,
    seen: Callable[[Try | Verify], None] = lambda step: None,
) -> tuple[Search, Found | GaveUp]:
    """Let a search run its course; `seen` is told each step."""
    chance = random.Random(seed)
    search = Search(slo, most, most_s)
    while True:
        step = next_step(search)
        if isinstance(step, Found | GaveUp):
            return search, step
        seen(step)
        above = SLO_ABOVE_PROBE if isinstance(step, Try) else SLO_ABOVE_ANSWER
        search = told(search, probe(server, slo, step.concurrency, chance, noise, above))
