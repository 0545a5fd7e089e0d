"""One job for several generator processes, and one answer of theirs. Pure.

Each process has its share of a target's connections and gives the same slices at the
same time. Latencies are put together, never their percentiles; rates are added up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from harness.load.job import Answer, Job, Slice, Target, TargetAnswer

LATENCY_BYTES = 8


def split(job: Job, processes: int) -> list[Job]:
    """Return the job of each of `processes`, the leader's first.

    The leader alone reads the clocks of app and database, and has pgbench. Raises
    ValueError when a target has fewer connections than there are processes.
    """
    if any(each.connections < processes for each in job.targets):
        raise ValueError(f"processes: {processes} are more than a target's connections")
    return [_part(job, rank, processes) for rank in range(processes)]


def _part(job: Job, rank: int, processes: int) -> Job:
    targets = tuple(_share(each, rank, processes) for each in job.targets)
    if rank == 0:
        return replace(job, targets=targets)
    return replace(job, targets=targets, seed=job.seed + rank, postmaster_pid=None, pgbench=None)


def _share(target: Target, rank: int, processes: int) -> Target:
    each, left = divmod(target.connections, processes)
    return replace(target, connections=each + (rank < left), pids=target.pids if rank == 0 else ())


def merged(answers: Sequence[Answer]) -> Answer:
    """Return the answer of all processes together, the leader's coming first in `answers`."""
    lead = answers[0]
    if len(answers) == 1:
        return lead
    return replace(
        lead,
        targets=tuple(
            _target([each.targets[index] for each in answers if index < len(each.targets)])
            for index in range(len(lead.targets))
        ),
        lag_p99_ns=_most([each.lag_p99_ns for each in answers]),
        late_p99_ns=_most([each.late_p99_ns for each in answers]),
        generators=len(answers),
    )


def _target(parts: Sequence[TargetAnswer]) -> TargetAnswer:
    if len(parts) == 1:  # pgbench, which the leader has alone
        return parts[0]
    by_slice = zip(*map(_latencies_by_slice, parts), strict=True)
    return replace(
        parts[0],
        latencies_ns=b"".join(piece for pieces in by_slice for piece in pieces),
        slices=tuple(map(_slice, zip(*(each.slices for each in parts), strict=True))),
        errors=_added([each.errors for each in parts]),
        messages={name: text for each in reversed(parts) for name, text in each.messages.items()},
        reconnects=sum(each.reconnects for each in parts),
        warmup_median_ns=_most([each.warmup_median_ns for each in parts]),
        answered=sum(each.answered for each in parts),
        failed=sum(each.failed for each in parts),
        generator_busy=max((_busy(each) for each in parts if each.slices), default=None),
    )


def _slice(parts: Sequence[Slice]) -> Slice:
    """Return one slice of all processes together.

    Each process has a window of its own, by the same rule, and they differ by some latencies.
    The window of all is the time in which as many answers come at the sum of the rates, so
    that both stay true. CPU of app and database was spent in the leader's window, at the same
    rate, and is scaled from that.
    """
    lead = parts[0]
    requests = sum(each.requests for each in parts)
    per_ns = sum(each.requests / each.window_ns for each in parts)
    window_ns = round(requests / per_ns) if requests else lead.window_ns

    def scaled(spent_ns: int | None, of: Slice = lead) -> int | None:
        return None if spent_ns is None else round(spent_ns * window_ns / of.window_ns)

    spent_ns = [scaled(each.load_cpu_ns, each) for each in parts]
    return Slice(
        start_ns=lead.start_ns,
        window_ns=window_ns,
        requests=requests,
        app_cpu_ns=scaled(lead.app_cpu_ns),
        db_cpu_ns=scaled(lead.db_cpu_ns),
        load_cpu_ns=None if None in spent_ns else sum(each or 0 for each in spent_ns),
    )


def _most(values: Sequence[int | None]) -> int | None:
    return max((each for each in values if each is not None), default=None)


def _latencies_by_slice(part: TargetAnswer) -> list[bytes]:
    ends = accumulate((LATENCY_BYTES * each.requests for each in part.slices), initial=0)
    return [part.latencies_ns[begin:end] for begin, end in pairwise(ends)]


def _added(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    names = dict.fromkeys(name for each in counts for name in each)
    return {name: sum(each.get(name, 0) for each in counts) for name in names}


def _busy(part: TargetAnswer) -> float:
    """Return the share of a core that one process used in its windows."""
    spent_ns = sum(each.load_cpu_ns or 0 for each in part.slices)
    return spent_ns / sum(each.window_ns for each in part.slices)
