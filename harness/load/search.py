"""Finds each target's capacity under an SLO: probes, then load at what they found.

The stacks take turns, a probe each, in the order of the rounds. Those that have a
candidate are then verified together, in slices like any other measurement: what is
compared in the end was measured side by side.
"""

import functools
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from harness.load.capacity import (
    MOST_VERIFICATIONS,
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
from harness.load.job import Job, Searched, Target, TargetAnswer
from harness.load.loader import Loader
from harness.load.slices import SLICE_PER_LATENCY, give, real_slice_s
from harness.slo import Slo
from harness.thresholds import SLO_ABOVE_ANSWER, SLO_ABOVE_PROBE

WARM_UP_CONNECTIONS = 16
"""As many as a group has by default: one alone would warm one path through a pool."""

PROBE_SHARE = 0.25
"""Of `measure_s`: the least a probe lasts. For the answers it wants it may go on for all of
`measure_s`; then those it has must do, as it is a verification that decides."""

SEARCH_MEASURES = 20
"""The probes of one target may take this many times `measure_s`, about four times what a
search takes where answers are plenty."""

VERIFY_MEASURES = 4
"""A verification may take this many times `measure_s` to have the answers it wants."""

RAMPS = 1.2
"""Load that a slice gives for the window it gets, where slices are as short as they may be."""


def at_first(job: Job, target: Target) -> int:
    """Return how many connections to open before warm-up."""
    return target.connections if job.slo is None else min(WARM_UP_CONNECTIONS, target.connections)


async def search(
    job: Job, slo: Slo, loaders: Sequence[Loader], probed: Callable[[], None]
) -> tuple[float, list[TargetAnswer]]:
    """Search the capacity of every target; the real length of a slice, and what each did.

    `probed` is called between the last probe and the first verification, where that
    begins which counts.
    """
    searches = [
        Search(slo, each.target.connections, SEARCH_MEASURES * job.measure_s) for each in loaders
    ]
    await _probe_in_turn(job, loaders, searches)
    probed()
    slice_s = job.slice_s
    while candidates := {
        index: step
        for index, each in enumerate(searches)
        if isinstance(step := next_step(each), Verify)
    }:
        slice_s = max(slice_s, await _verify(job, loaders, searches, candidates))
    return slice_s, [_answer(*each) for each in zip(loaders, searches, strict=True)]


def longest_s(job: Job) -> float:
    """Return what the load of one target may take: who has not ended by then never will."""
    verified_s = MOST_VERIFICATIONS * VERIFY_MEASURES * job.measure_s
    # A probe, or a verification, of a server that hangs ends with a time-out at either edge.
    hanging_s = 2 * job.timeout_s * (1 + MOST_VERIFICATIONS)
    return job.warmup_s + SEARCH_MEASURES * job.measure_s + 2 * verified_s + hanging_s


def to_go_s(job: Job, slo: Slo, concurrency: int, elapsed_s: float, requests: int) -> float:
    """Return for how long to go on with a probe that had `requests` answers in `elapsed_s`.

    It lasts at least its share of `measure_s`, for the answers it wants, and for 20 mean
    latencies - as far as they keep the SLO, for how badly it is broken is no matter.
    """
    wanted_s = job.measure_s
    if requests:
        wanted_s = max(
            PROBE_SHARE * job.measure_s,
            SLICE_PER_LATENCY * min(concurrency * elapsed_s / requests, slo.limit_s),
            elapsed_s * requests_above(slo, SLO_ABOVE_PROBE) / requests,
        )
    # To be asked again soon: the rate of a moment is a poor forecast.
    return min(min(wanted_s, job.measure_s) - elapsed_s, PROBE_SHARE * job.measure_s)


async def _probe_in_turn(job: Job, loaders: Sequence[Loader], searches: list[Search]) -> None:
    for order in itertools.cycle(job.rounds):
        if not any(isinstance(next_step(each), Try) for each in searches):
            return
        for index in order:
            step = next_step(searches[index])
            if isinstance(step, Try):
                probe = await _probe(job, searches[index].slo, loaders[index], step.concurrency)
                searches[index] = told(searches[index], probe)


async def _probe(job: Job, slo: Slo, loader: Loader, concurrency: int) -> Probe:
    begun_s = time.monotonic()
    await loader.use(concurrency)
    loader.begin_anew()
    await loader.probe(functools.partial(to_go_s, job, slo, concurrency), job.measure_s)
    return judged(
        slo,
        concurrency,
        loader.latencies_ns,
        errors=loader.errors,
        window_s=loader.window_s,
        took_s=time.monotonic() - begun_s,
    )


async def _verify(
    job: Job,
    loaders: Sequence[Loader],
    searches: list[Search],
    candidates: Mapping[int, Verify],
) -> float:
    """Measure each candidate in slices, and judge it; the slices' real length."""
    for index, step in candidates.items():
        await loaders[index].use(step.concurrency)
        loaders[index].begin_anew()
    slice_s = real_slice_s(
        job.slice_s, [round(1e9 * each.concurrency / each.rps) for each in candidates.values()]
    )
    at = {index: place for place, index in enumerate(candidates)}
    rounds = [tuple(at[index] for index in order if index in at) for order in job.rounds]
    each_s = _verification_s(job, searches[0].slo, [each.rps for each in candidates.values()])
    await give(rounds, each_s, slice_s, [loaders[index].measure for index in candidates])
    for index, step in candidates.items():
        searches[index] = told(
            searches[index], _verified(searches[index].slo, loaders[index], step.concurrency)
        )
    return slice_s


def _verification_s(job: Job, slo: Slo, rates: Sequence[float]) -> float:
    """Return the load each candidate gets: the same for all, and enough for the slowest."""
    wanted_s = RAMPS * requests_above(slo, SLO_ABOVE_ANSWER) / min(rates)
    return min(max(job.measure_s, wanted_s), VERIFY_MEASURES * job.measure_s)


def _verified(slo: Slo, loader: Loader, concurrency: int) -> Probe:
    return judged(
        slo,
        concurrency,
        loader.latencies_ns,
        errors=loader.errors,
        window_s=loader.window_s,
        took_s=loader.window_s,
        least_requests=requests_above(slo, SLO_ABOVE_PROBE),
    )


def _answer(loader: Loader, done: Search) -> TargetAnswer:
    end = next_step(done)
    assert isinstance(end, Found | GaveUp)
    searched = Searched(
        probes=done.probes + done.verifications,
        concurrency=end.concurrency if isinstance(end, Found) else None,
        limit=end.limit if isinstance(end, Found) else "",
        reason=end.reason if isinstance(end, GaveUp) else "",
    )
    return replace(loader.answer(), searched=searched)
