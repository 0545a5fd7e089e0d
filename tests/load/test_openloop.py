"""An open loop against servers that answer, and that do not."""

import asyncio
import contextlib
import socket
import time
from dataclasses import replace

import numpy as np
import pytest
import uvloop

from harness.load.generator import fire
from harness.load.job import Answer, Arrivals, Job, Target, TargetAnswer
from harness.load.pace import Pace, offsets_ns
from tests.load.servers import (
    Handler,
    answer_bytes,
    fired,
    job,
    keep_alive,
    serving,
    target,
)

MS = 1_000_000
PACE = Pace(500.0, "a seed")
NAP_NS = 8 * MS
"""At least how long a sleep of 10 ms lasts: uvloop rounds."""


def paced(*targets: Target, pace: Pace = PACE, **fields: float) -> Job:
    return replace(job(*targets, **fields), pace=pace)


def arrivals(answer: TargetAnswer) -> Arrivals:
    assert answer.arrivals is not None
    return answer.arrivals


def numbers(packed: bytes) -> list[int]:
    return [int(each) for each in np.frombuffer(packed, "<i8")]


def only(answer: Answer) -> TargetAnswer:
    (target_answer,) = answer.targets
    return target_answer


def counts(pace: Pace, stretches: int, length_s: float) -> list[int]:
    lengths = [round(length_s * 1e9)] * stretches
    return [len(list(offsets_ns(pace, each, length))) for each, length in enumerate(lengths)]


async def respond_well(head: bytes) -> list[bytes]:
    return [answer_bytes()]


def test_every_request_of_the_schedule_is_sent_and_told_of_once() -> None:
    make = lambda port: paced(target(port), slice_s=0.1, measure_s=0.5)  # noqa: E731
    answer = only(fired(keep_alive(respond_well), make=make))
    # Five stretches, unless the machine was away for longer than one of them.
    due = counts(PACE, len(answer.slices), 0.1)
    found = arrivals(answer)
    assert [each.requests for each in answer.slices] == due
    assert (found.due, found.unsent, answer.errors) == (sum(due), 0, {})
    assert len(numbers(found.lags_ns)) + len(numbers(found.waits_ns)) == sum(due)
    latencies, service = numbers(answer.latencies_ns), numbers(found.service_ns)
    assert len(latencies) == len(service) == sum(due)
    assert all(0 < one <= whole for one, whole in zip(service, latencies, strict=True))
    assert min(numbers(found.lags_ns)) >= 0
    assert found.stretches_ns == len(due) * 100 * MS


def test_all_targets_get_the_same_schedule_and_nothing_is_sent_before_it_is_due() -> None:
    came_ns: dict[str, list[int]] = {"a": [], "b": []}

    def noting(name: str) -> Handler:
        async def respond(head: bytes) -> list[bytes]:
            came_ns[name].append(time.monotonic_ns())
            return [answer_bytes()]

        return keep_alive(respond)

    make = lambda a, b: paced(  # noqa: E731
        target(a, name="a"), target(b, name="b"), slice_s=0.1, measure_s=0.4
    )
    answers = fired(noting("a"), noting("b"), make=make).targets
    for answer in answers:
        due_ns = [
            window.start_ns + offset
            for number, window in enumerate(answer.slices)
            for offset in offsets_ns(PACE, number, 100 * MS)
        ]
        assert len(due_ns) == len(came_ns[answer.name])
        assert all(
            due <= came for due, came in zip(due_ns, sorted(came_ns[answer.name]), strict=True)
        )


def test_a_request_that_finds_no_connection_waits_and_its_wait_is_in_its_latency() -> None:
    async def slow(head: bytes) -> list[bytes]:
        await asyncio.sleep(0.01)
        return [answer_bytes()]

    # 500 a second over one connection that carries at most 100.
    make = lambda port: paced(target(port, connections=1), slice_s=0.2, measure_s=0.2)  # noqa: E731
    answer = only(fired(keep_alive(slow), make=make))
    found = arrivals(answer)
    (due,) = counts(PACE, 1, 0.2)
    assert found.due == len(numbers(answer.latencies_ns)) == due
    assert len(numbers(found.waits_ns)) > due / 2
    waits = max(numbers(found.waits_ns))
    assert max(numbers(answer.latencies_ns)) >= waits > 200 * MS
    assert min(numbers(found.service_ns)) >= NAP_NS
    # It was given the time to answer, and its req/s is of that time.
    (window,) = answer.slices
    assert window.window_ns >= (due - 1) * NAP_NS > 200 * MS


def test_the_next_target_waits_for_the_last_answer() -> None:
    under_way = 0
    together: list[int] = []

    def handler() -> Handler:
        async def respond(head: bytes) -> list[bytes]:
            nonlocal under_way
            mine = target_of[head.split(b" ")[1]]
            under_way += mine
            together.append(under_way)
            await asyncio.sleep(0.03)
            under_way -= mine
            return [answer_bytes()]

        return keep_alive(respond)

    target_of = {b"/a": 1, b"/b": 1000}
    make = lambda a, b: paced(  # noqa: E731
        target(a, paths=("/a",), connections=16),
        target(b, paths=("/b",), connections=16),
        slice_s=0.05,
        measure_s=0.2,
    )
    fired(handler(), handler(), make=make)
    assert any(each > 1 for each in together)
    assert all(each < 1000 or each % 1000 == 0 for each in together)


def test_a_server_that_never_answers_drops_all_and_is_charged_for_its_time() -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    make = lambda port, other: paced(  # noqa: E731
        target(port, connections=2),
        target(other, name="good"),
        timeout_s=1.0,
        slice_s=0.1,
        measure_s=0.3,
    )
    stalled, well = fired(stall, keep_alive(respond_well), make=make).targets
    found = arrivals(stalled)
    assert len(stalled.slices) == 1
    assert stalled.errors == {"timeout": found.due}
    assert found.due == sum(counts(PACE, 1, 0.1))
    assert found.unsent > 0
    assert "within 1 s" in stalled.messages["timeout"]
    assert stalled.slices[0].requests == 0
    assert stalled.slices[0].window_ns > 1000 * MS
    assert well.errors == {}


def test_refused_connections_are_errors_at_the_rate_of_the_schedule() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        answer = only(uvloop.run(fire(paced(target(port), slice_s=0.2, measure_s=0.2))))
    assert answer.errors == {"connect": sum(counts(PACE, 1, 0.2))}


def test_error_answers_are_counted_each_once() -> None:
    async def respond(head: bytes) -> list[bytes]:
        return [answer_bytes(b"no", "503 Service Unavailable", b"x-error: pool_timeout\r\n")]

    make = lambda port: paced(target(port), slice_s=0.2, measure_s=0.2)  # noqa: E731
    answer = only(fired(keep_alive(respond), make=make))
    assert answer.errors == {"pool_timeout": sum(counts(PACE, 1, 0.2))}
    assert answer.reconnects == 0


@pytest.mark.parametrize("end", [b"", None])
def test_a_server_that_closes_after_each_answer_loses_none(end: bytes | None) -> None:
    async def respond(head: bytes) -> list[bytes]:
        close = answer_bytes(headers=b"Connection: close\r\n")
        return [close] if end is None else [close, end]

    make = lambda port: paced(target(port), slice_s=0.2, measure_s=0.2)  # noqa: E731
    answer = only(fired(keep_alive(respond), make=make))
    assert answer.errors == {}
    assert answer.slices[0].requests == sum(counts(PACE, 1, 0.2))
    assert answer.reconnects > 0


def test_a_connection_that_is_cut_is_one_reset_and_the_schedule_goes_on() -> None:
    served = 0

    async def respond(head: bytes) -> list[bytes]:
        nonlocal served
        served += 1
        return [answer_bytes()[:-1], b""] if served == 10 else [answer_bytes()]

    make = lambda port: paced(target(port), slice_s=0.2, measure_s=0.2)  # noqa: E731
    answer = only(fired(keep_alive(respond), make=make))
    assert answer.errors == {"reset": 1}
    assert answer.slices[0].requests == sum(counts(PACE, 1, 0.2)) - 1


def test_warm_up_is_a_closed_loop_over_every_connection() -> None:
    used: set[object] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def respond(head: bytes) -> list[bytes]:
            used.add(writer)
            return [answer_bytes()]

        with contextlib.suppress(asyncio.IncompleteReadError):
            await keep_alive(respond)(reader, writer)

    rare = Pace(0.01, "rare")
    make = lambda port: paced(target(port), warmup_s=0.1, pace=rare)  # noqa: E731
    answer = only(fired(handle, make=make))
    assert len(used) == 4
    assert answer.warmup_median_ns is not None
    assert arrivals(answer).due == 0
    assert answer.errors == {}


def test_requests_go_round_the_connections_in_turn() -> None:
    asked: dict[object, int] = {}

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def respond(head: bytes) -> list[bytes]:
            asked[writer] = asked.get(writer, 0) + 1
            return [answer_bytes()]

        await keep_alive(respond)(reader, writer)

    async def run() -> TargetAnswer:
        async with serving(handle) as port:
            told = paced(target(port, connections=3), slice_s=0.3, measure_s=0.3)
            return only(await asyncio.wait_for(fire(told), 30))

    answer = uvloop.run(run())
    assert sum(asked.values()) == arrivals(answer).due
    assert len(asked) == 3


@pytest.mark.parametrize("many", [1, 3])
def test_the_requests_of_a_target_are_sent_in_turn(many: int) -> None:
    asked: dict[bytes, int] = {}

    async def respond(head: bytes) -> list[bytes]:
        path = head.split(b" ")[1]
        asked[path] = asked.get(path, 0) + 1
        return [answer_bytes()]

    paths = tuple(f"/users/{each}" for each in range(many))
    make = lambda port: paced(  # noqa: E731
        target(port, connections=2, paths=paths), slice_s=0.3, measure_s=0.3
    )
    assert only(fired(keep_alive(respond), make=make)).errors == {}
    assert len(asked) == many
