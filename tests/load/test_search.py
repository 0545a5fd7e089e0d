"""The search for a capacity over real sockets, against servers that slow down on purpose.

They do so by so much that a busy machine does not blur it: half of all answers would have
to be 75 ms late.
"""

import asyncio
import contextlib
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import uvloop

from harness.load.generator import fire
from harness.load.job import Answer, Job, Searched, Target, TargetAnswer
from harness.load.search import at_first, to_go_s
from harness.slo import Slo
from tests.load.servers import Handler, answer_bytes, job, keep_alive, serving, target

SLO = Slo(50, 0.100)
FULL = answer_bytes(b"full", "503 Service Unavailable", b"x-error: pool_timeout\r\n")


class Server:
    """Answers in 25 ms, and in 175 ms or with an error while over `room` requests are under way."""

    def __init__(self, room: int, *, fails: bool = False) -> None:
        self.room = room
        self.fails = fails
        self.under_way = self.connections = 0
        self.busy_together: set[int] = set()
        self.all: list[Server] = [self]

    async def respond(self, head: bytes) -> list[bytes]:
        self.under_way += 1
        self.busy_together.add(sum(each.under_way > 0 for each in self.all))
        await asyncio.sleep(0.025)
        full = self.under_way > self.room
        if full and not self.fails:
            await asyncio.sleep(0.150)
        self.under_way -= 1
        return [FULL if full and self.fails else answer_bytes()]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await keep_alive(self.respond)(reader, writer)


def searching(*targets: Target, **fields: Any) -> Job:
    made = job(*targets, slice_s=0.1, warmup_s=0.1, measure_s=0.4)
    return replace(made, slo=SLO, **fields)


def sought(*handlers: Handler, most: int, **fields: Any) -> Answer:
    """Search the capacity of a server for each handler, over at most `most` connections."""

    async def run() -> Answer:
        async with contextlib.AsyncExitStack() as stack:
            ports = [await stack.enter_async_context(serving(each)) for each in handlers]
            targets = [target(port, connections=most) for port in ports]
            return await asyncio.wait_for(fire(searching(*targets, **fields)), 60)

    return uvloop.run(run())


def found(answer: TargetAnswer) -> Searched:
    assert answer.searched is not None
    return answer.searched


@dataclass(frozen=True)
class Both:
    """Two servers whose capacities were searched together, and what was answered of each."""

    servers: tuple[Server, Server]
    answers: tuple[TargetAnswer, ...]


@pytest.fixture(scope="module")
def both() -> Both:
    large, small = Server(12), Server(3)
    large.all = small.all = [large, small]
    return Both((large, small), sought(large.handle, small.handle, most=24).targets)


def test_each_of_two_servers_is_measured_at_its_own_capacity_while_the_other_idles(
    both: Both,
) -> None:
    for server, answer in zip(both.servers, both.answers, strict=True):
        searched = found(answer)
        assert server.busy_together == {1}
        assert searched.reason == ""
        assert searched.limit in ("slo", "time")
        assert searched.concurrency is not None
        # A stall in the best of the probes may leave the answer to the one before it.
        assert server.room / 4 <= searched.concurrency <= server.room
        assert all(each.concurrency <= server.room for each in searched.probes if each.kept)
        assert searched.probes[-1].concurrency == searched.concurrency


def test_what_is_told_is_of_the_verification_alone(both: Both) -> None:
    for answer in both.answers:
        searched = found(answer)
        verified = searched.probes[-1]
        latencies_ns = np.frombuffer(answer.latencies_ns, "<i8")
        window_s = sum(each.window_ns for each in answer.slices) / 1e9
        requests = sum(each.requests for each in answer.slices)
        assert requests == len(latencies_ns) == verified.requests
        assert verified.rps == pytest.approx(len(latencies_ns) / window_s)
        assert np.percentile(latencies_ns, 50, method="inverted_cdf") == verified.percentile_ns
        assert searched.concurrency is not None
        assert 0.9 < verified.rps * latencies_ns.mean() / 1e9 / searched.concurrency < 1.1
        assert answer.errors == {}


def test_a_server_that_is_too_slow_for_one_connection_has_no_capacity() -> None:
    searched = found(sought(Server(0).handle, most=8).targets[0])
    assert searched.concurrency is None
    reason = r"slo: p50 \d+ ms at 1 connection, asked for < 100ms"
    assert re.fullmatch(reason, searched.reason)


def test_a_server_that_refuses_beyond_some_connections_has_the_capacity_of_fewer() -> None:
    answer = sought(Server(5, fails=True).handle, most=16).targets[0]
    searched = found(answer)
    assert searched.concurrency is not None
    assert searched.concurrency <= 5
    assert any(each.errors for each in searched.probes)
    assert answer.errors == {}


def test_a_server_that_always_keeps_it_has_at_least_the_capacity_of_all_connections() -> None:
    server = Server(1000)
    answer = sought(server.handle, most=20).targets[0]
    searched = found(answer)
    assert searched.limit == "connections"
    assert max(each.concurrency for each in searched.probes) == 20
    assert (server.connections, answer.reconnects) == (20, 0)  # each opened once, and kept


def test_a_server_that_never_answers_ends_the_search_with_its_timeouts() -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    answer = sought(stall, most=8, timeout_s=0.2, warmup_s=0.0).targets[0]
    assert found(answer).reason == "slo: no good answer at 1 connection"
    assert answer.errors.keys() == {"timeout"}


def test_connections_are_opened_when_they_are_needed() -> None:
    assert at_first(searching(target(1, connections=256)), target(1, connections=256)) == 16
    assert at_first(searching(target(1, connections=3)), target(1, connections=3)) == 3
    assert at_first(job(target(1)), target(1, connections=256)) == 256


@pytest.mark.parametrize(
    ("slo", "elapsed_s", "requests", "to_go"),
    [
        (Slo(99, 0.05), 0.0, 0, 0.5),  # nothing known: asked again after the least it lasts
        (Slo(99, 0.05), 0.5, 0, 0.5),
        (Slo(99, 0.05), 2.0, 0, 0.0),  # no answers in all of the measuring time
        (Slo(99, 0.05), 0.5, 1000, 0.0),  # enough
        (Slo(99, 0.05), 0.5, 200, 0.25),  # 300 of them take 0.75 s
        (Slo(99, 0.05), 0.5, 20, 0.5),  # and here 7.5 s, which is too long
        (Slo(99, 0.05), 2.0, 20, 0.0),
        (Slo(50, 0.05), 0.5, 50, 0.3),  # 4 connections, 40 ms each: 20 of them are 0.8 s
        (Slo(50, 0.05), 0.5, 10, 0.5),  # 200 ms each, but only 50 ms keep the SLO: 1 s
        (Slo(50, 0.05), 1.0, 20, 0.0),
    ],
)
def test_a_probe_lasts_for_its_answers_and_its_latencies_but_no_longer_than_it_may(
    slo: Slo, elapsed_s: float, requests: int, to_go: float
) -> None:
    told = searching(target(1), measure_s=2.0)
    assert to_go_s(told, slo, 4, elapsed_s, requests) == pytest.approx(to_go)
