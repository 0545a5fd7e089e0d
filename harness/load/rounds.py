"""One answer of several jobs that were given to the same servers, one after another. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.load.job import Answer, Arrivals, TargetAnswer


def joined(answers: Sequence[Answer]) -> Answer:
    """Return all slices, latencies and errors of `answers`, which have the same targets."""
    return replace(
        answers[0],
        slice_s=_slice_s(answers),
        targets=tuple(map(_target, zip(*(each.targets for each in answers), strict=True))),
        lag_p99_ns=_most(each.lag_p99_ns for each in answers),
        late_p99_ns=_most(each.late_p99_ns for each in answers),
    )


def _slice_s(answers: Sequence[Answer]) -> float:
    """Return the mean length of a slice: each round has slices of its own length."""
    counts = [sum(len(each.slices) for each in answer.targets) for answer in answers]
    if not any(counts):
        return answers[0].slice_s
    total_s = sum(each.slice_s * count for each, count in zip(answers, counts, strict=True))
    return total_s / sum(counts)


def _target(parts: Sequence[TargetAnswer]) -> TargetAnswer:
    errors: Counter[str] = Counter()
    for each in parts:
        errors.update(each.errors)
    return replace(
        parts[0],
        latencies_ns=b"".join(each.latencies_ns for each in parts),
        slices=tuple(one for each in parts for one in each.slices),
        errors=dict(errors),
        messages={name: text for each in reversed(parts) for name, text in each.messages.items()},
        reconnects=sum(each.reconnects for each in parts),
        answered=sum(each.answered for each in parts),
        failed=sum(each.failed for each in parts),
        arrivals=_arrivals([each.arrivals for each in parts if each.arrivals is not None]),
        generator_busy=max(
            (each.generator_busy for each in parts if each.generator_busy is not None),
            default=None,
        ),
    )


def _arrivals(parts: Sequence[Arrivals]) -> Arrivals | None:
    if not parts:
        return None
    return Arrivals(
        due=sum(each.due for each in parts),
        stretches_ns=sum(each.stretches_ns for each in parts),
        service_ns=b"".join(each.service_ns for each in parts),
        lags_ns=b"".join(each.lags_ns for each in parts),
        waits_ns=b"".join(each.waits_ns for each in parts),
        unsent=sum(each.unsent for each in parts),
    )


def _most(values: Iterable[int | None]) -> int | None:
    return max((each for each in values if each is not None), default=None)
