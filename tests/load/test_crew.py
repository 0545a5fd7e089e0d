"""Several generators on one server: they begin, wait and end together."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import psutil
import pytest
import uvloop

from harness.errors import NothingMeasurable
from harness.load import crew
from harness.load.generator import fire, follow
from harness.load.job import Answer, Job, Seat
from harness.load.process import carry_out
from harness.load.split import split
from harness.processes import Processes
from tests.load.servers import (
    Handler,
    answer_bytes,
    job,
    keep_alive,
    observed_together,
    serving,
    target,
)


async def respond_well(head: bytes) -> list[bytes]:
    return [answer_bytes()]


class Clients:
    """A handler that counts the answers to each connection."""

    def __init__(self) -> None:
        self.answers: list[int] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.answers)
        self.answers.append(0)

        async def respond(head: bytes) -> list[bytes]:
            self.answers[number] += 1
            return [answer_bytes()]

        await keep_alive(respond)(reader, writer)


def carried_out(processes: Processes, *handlers: Handler, make: Callable[..., Job]) -> Answer:
    async def run() -> Answer:
        async with contextlib.AsyncExitStack() as stack:
            ports = [await stack.enter_async_context(serving(each)) for each in handlers]
            return await carry_out(make(*ports), processes, deadline_s=40, generators=2)

    return asyncio.run(run())


def test_every_connection_is_opened_once_and_the_answers_of_all_are_counted(
    processes: Processes,
) -> None:
    clients = Clients()
    make = lambda port: job(target(port, connections=5), warmup_s=0.1)  # noqa: E731
    answer = carried_out(processes, clients, make=make)
    (one,) = answer.targets
    assert answer.generators == 2
    assert len(clients.answers) == 5
    assert min(clients.answers) > 0
    assert one.errors == {}
    assert 0 < sum(each.requests for each in one.slices) <= sum(clients.answers)
    assert len(one.latencies_ns) == 8 * sum(each.requests for each in one.slices)
    assert one.generator_busy is not None


def test_no_target_has_load_while_another_drains_in_any_process(processes: Processes) -> None:
    handler, together = observed_together()
    make = lambda a, b: job(target(a), target(b), warmup_s=0.1)  # noqa: E731
    carried_out(processes, handler("a"), handler("b"), make=make)
    assert set(together) == {1}


@contextlib.contextmanager
def seated(whole: Job) -> Iterator[tuple[Job, Job]]:
    """Yield the jobs of a leader and a follower, their sockets theirs to close."""
    lead, other = split(whole, 2)
    mine, theirs = (end.detach() for end in socket.socketpair())
    yield replace(lead, seat=Seat(True, (mine,))), replace(other, seat=Seat(False, (theirs,)))


def test_their_windows_are_of_the_same_time() -> None:
    async def slow(head: bytes) -> list[bytes]:
        await asyncio.sleep(0.002)
        return [answer_bytes()]

    async def run() -> tuple[Answer, Answer]:
        async with serving(keep_alive(slow)) as port:
            whole = job(target(port), warmup_s=0.1, slice_s=0.2, measure_s=0.4)
            with seated(whole) as (lead, other):
                return await asyncio.wait_for(asyncio.gather(fire(lead), follow(other)), 40)

    leads, follows = uvloop.run(run())
    pairs = list(zip(leads.targets[0].slices, follows.targets[0].slices, strict=True))
    assert pairs
    for mine, theirs in pairs:
        assert mine.requests > 0
        assert theirs.requests > 0
        opened_ns = max(mine.start_ns, theirs.start_ns)
        closed_ns = min(each.start_ns + each.window_ns for each in (mine, theirs))
        assert closed_ns - opened_ns > mine.window_ns / 2


def test_a_slice_is_long_for_the_process_with_the_slowest_answers() -> None:
    """A follower's connections get slow answers, the leader's quick ones."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        delay_s = 0.02 if b"/slow" in head else 0.0

        async def respond(head: bytes) -> list[bytes]:
            await asyncio.sleep(delay_s)
            return [answer_bytes()]

        writer.write(answer_bytes())
        await keep_alive(respond)(reader, writer)

    async def run() -> Answer:
        async with serving(handle) as port:
            whole = job(target(port), warmup_s=0.2, slice_s=0.05, measure_s=0.1)
            with seated(whole) as (lead, other):
                slow = replace(other, targets=(target(port, connections=2, paths=("/slow",)),))
                answers = await asyncio.wait_for(asyncio.gather(fire(lead), follow(slow)), 40)
                return answers[0]

    answer = uvloop.run(run())
    assert answer.slice_s >= 20 * 0.02 * 0.9  # the server's clock and ours are two


@pytest.mark.parametrize("leads", [True, False])
def test_whoever_is_left_alone_ends_and_says_so(leads: bool) -> None:
    async def run() -> tuple[int | None, bytes]:
        gone, kept = socket.socketpair()
        async with serving(keep_alive(respond_well)) as port:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "harness.load.generator"),
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[kept.fileno()],
            )
            told = replace(job(target(port)), seat=Seat(leads, (kept.fileno(),)))
            kept.close()
            gone.close()
            _, complained = await asyncio.wait_for(process.communicate(told.to_json()), 40)
            return process.returncode, complained

    code, complained = asyncio.run(run())
    assert (code, complained) == (
        crew.ENDED_BY_ANOTHER,
        b"a generator beside this one has ended\n",
    )


@pytest.mark.parametrize("index", [0, 1])
def test_one_that_is_killed_ends_the_others_and_is_the_one_named(
    processes: Processes, index: int
) -> None:
    async def run() -> None:
        async with serving(keep_alive(respond_well)) as port:
            endless = job(target(port), measure_s=60.0)
            task = asyncio.create_task(carry_out(endless, processes, deadline_s=60, generators=2))
            while len(found := generators()) < 2 and not task.done():  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # their start is no event of ours
            found[index].send_signal(signal.SIGKILL)
            with pytest.raises(NothingMeasurable, match=r"generator: ended with -9: "):
                await asyncio.wait_for(task, 40)
            assert generators() == []

    def generators() -> list[psutil.Process]:
        """Return those under this process, the leader first: it is started first."""
        found = []
        for each in psutil.Process().children():
            with contextlib.suppress(psutil.Error):
                if "harness.load.generator" in each.cmdline():
                    found.append(each)
        return sorted(found, key=lambda each: (each.create_time(), each.pid))

    asyncio.run(run())
