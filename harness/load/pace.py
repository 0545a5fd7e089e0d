"""When the requests of an open loop are due: a Poisson process drawn from a seed. Pure.

Independent users ask at times that know nothing of each other, and least of all of whether
the server has answered: gaps are exponential, and no answer moves the next request.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

ARRIVALS_PER_SLICE = 20
"""Expected requests in a slice, at least: its drain, about one latency long, is then a
small part of it at any rate that the connections can carry."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Requests at `rate` req/s on average. Targets that share `seed` get the same schedule."""

    rate: float
    seed: str


def offsets_ns(pace: Pace, stretch: int, length_ns: int) -> Iterator[int]:
    """Yield when each request of stretch number `stretch` is due, in ns from its start.

    In order, and all below `length_ns`: a longer stretch of the same number begins with the
    same requests. Each stretch is drawn anew, which a process without memory allows.
    """
    chance = random.Random(f"{pace.seed} stretch {stretch}")
    per_ns = pace.rate / 1e9
    due_ns = chance.expovariate(per_ns)
    while due_ns < length_ns:
        yield int(due_ns)
        due_ns += chance.expovariate(per_ns)


def slice_s(least_s: float, measure_s: float, rate: float) -> float:
    """Return how long a slice at `rate` should be, if all slices together last `measure_s`."""
    return max(least_s, min(measure_s, ARRIVALS_PER_SLICE / rate))
