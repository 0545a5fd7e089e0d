"""Slices: how long they are, and to whom each is given."""

import itertools
import math
from collections.abc import Awaitable, Callable, Sequence

SLICE_PER_LATENCY = 20
"""A slice lasts at least this many of the slowest target's median latencies, so that its
edges, where connections start and stop in step, are a small part of it."""


async def give(
    rounds: Sequence[Sequence[int]],
    each_s: float,
    slice_s: float,
    burdens: Sequence[Callable[[float], Awaitable[float]]],
    shares: Sequence[float] = (),
) -> None:
    """Give slices, one at a time, round by round, until every target has had `each_s`.

    A target of less than a whole share of that (`shares`: 1 each unless given) sits rounds
    out, so that its slices spread over all of the time.

    A burden is called with the slice's length and returns the time to charge, which is
    that length unless the target kept it waiting: so all get equally many slices, and a
    server that does not answer cannot hold up the others for each of them.
    """
    whole_s = [each_s * share for share in shares or [1.0] * len(burdens)]
    left_s = list(whole_s)
    enough_s = slice_s * 1e-6  # sums of floats: 20 slices of 0.1 s are 2 s
    for order in itertools.cycle(rounds):
        if max(left_s) <= enough_s:
            return
        most_left = max(left / whole for left, whole in zip(left_s, whole_s, strict=True))
        for index in order:
            due = left_s[index] / whole_s[index] >= most_left - 1e-6
            if due and left_s[index] > enough_s:
                left_s[index] -= await burdens[index](slice_s)


def real_slice_s(
    least_s: float, medians_ns: Sequence[int | None], most_s: float = math.inf
) -> float:
    """Return the length of a slice that is long for the slowest target too, within `most_s`."""
    slowest_ns = max((each for each in medians_ns if each is not None), default=0)
    return max(least_s, min(SLICE_PER_LATENCY * slowest_ns / 1e9, most_s))
