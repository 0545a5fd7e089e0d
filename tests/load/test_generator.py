import asyncio
import functools
import socket
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
import uvloop

from harness.load.generator import fire
from harness.load.job import Answer, Job, TargetAnswer
from harness.load.lag import LagMeter
from harness.load.slices import give, real_slice_s
from tests.load.servers import (
    BODY,
    answer_bytes,
    fired,
    job,
    keep_alive,
    observed_together,
    target,
)


def good(answer: TargetAnswer) -> int:
    return sum(each.requests for each in answer.slices)


async def respond_well(head: bytes) -> list[bytes]:
    return [answer_bytes()]


def only(answer: Answer) -> TargetAnswer:
    (target_answer,) = answer.targets
    return target_answer


def test_a_good_server_is_measured_without_errors() -> None:
    answer = only(fired(keep_alive(respond_well), make=lambda port: job(target(port))))
    assert (answer.errors, answer.messages, answer.reconnects) == ({}, {}, 0)
    assert len(answer.slices) == 2
    assert good(answer) == len(np.frombuffer(answer.latencies_ns, "<i8")) > 0


def test_every_good_answer_of_the_whole_job_is_counted_in_a_window_or_not() -> None:
    served = 0

    async def respond(head: bytes) -> list[bytes]:
        nonlocal served
        served += 1
        return [answer_bytes(BODY if served % 7 else b"wrong")]

    make = lambda port: job(target(port), warmup_s=0.1)  # noqa: E731
    answer = only(fired(keep_alive(respond), make=make))
    assert answer.answered == served - served // 7
    assert answer.failed == served // 7
    assert answer.answered > good(answer)


def test_each_wrong_body_is_one_error_wherever_in_the_slice_it_falls() -> None:
    wrong = 0

    async def respond(head: bytes) -> list[bytes]:
        nonlocal wrong
        wrong += 1
        return [answer_bytes(BODY + b" ")]

    answer = only(fired(keep_alive(respond), make=lambda port: job(target(port))))
    assert answer.errors == {"body": wrong}
    assert answer.messages["body"] == "22 bytes where the verified answer has 21"
    assert good(answer) == 0


def test_wrong_bytes_of_the_right_length_are_found_by_sampling() -> None:
    served = 0

    async def respond(head: bytes) -> list[bytes]:
        nonlocal served
        served += 1
        return [answer_bytes(BODY if served < 100 else BODY.replace(b"Ada", b"Bob"))]

    answer = only(fired(keep_alive(respond), make=lambda port: job(target(port), measure_s=0.5)))
    assert set(answer.errors) == {"body"}
    assert 0 < answer.errors["body"] < served - 99


@pytest.mark.parametrize(
    ("status", "header", "error_class"),
    [
        ("503 Service Unavailable", b"x-error: pool_timeout\r\n", "pool_timeout"),
        ("503 Service Unavailable", b"X-Error: too_many_clients\r\n", "too_many_clients"),
        ("500 Internal Server Error", b"x-error: database\r\n", "database"),
        ("500 Internal Server Error", b"x-error: nonsense\r\n", "app"),
        ("500 Internal Server Error", b"", "app"),
        ("404 Not Found", b"", "body"),
    ],
)
def test_an_error_answer_has_the_class_its_server_names(
    status: str, header: bytes, error_class: str
) -> None:
    served = 0

    async def respond(head: bytes) -> list[bytes]:
        nonlocal served
        served += 1
        return [answer_bytes(b"no connection\nwithin 30 s" + b"!" * 400, status, header)]

    answer = only(fired(keep_alive(respond), make=lambda port: job(target(port))))
    assert answer.errors == {error_class: served}
    assert "no connection within 30 s!!!" in answer.messages[error_class]
    assert len(answer.messages[error_class]) <= 300
    assert answer.reconnects == 0


def test_errors_of_the_warm_up_are_not_counted() -> None:
    served = 0

    async def respond(head: bytes) -> list[bytes]:
        nonlocal served
        served += 1
        return [answer_bytes(b"warming up" if served <= 4 else BODY)]

    make = lambda port: job(target(port), warmup_s=0.1)  # noqa: E731
    answer = only(fired(keep_alive(respond), make=make))
    assert answer.errors == {}
    assert answer.warmup_median_ns is not None


def test_a_server_that_never_answers_is_given_up_at_its_timeout_and_holds_nobody_up() -> None:
    asked = 0

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        await reader.read()

    # The window opens at the timeout, with everybody's first failure, and what was sent
    # then is abandoned. The first slice took more than its share of load.
    make = lambda port, other: job(  # noqa: E731
        target(port), target(other, name="good"), timeout_s=0.2, measure_s=0.2
    )
    stalled, well = fired(stall, keep_alive(respond_well), make=make).targets
    assert set(stalled.errors) == {"timeout"}
    assert 4 <= stalled.errors["timeout"] <= asked
    assert stalled.messages == {"timeout": "no answer within 0.2 s"}
    assert (len(stalled.slices), len(well.slices)) == (1, 4)
    assert well.errors == {}


def test_an_answer_that_stalls_in_the_middle_is_a_timeout() -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer_bytes()[:-1])
        await reader.read()

    answer = only(fired(stall, make=lambda port: job(target(port), timeout_s=0.2)))
    assert set(answer.errors) == {"timeout"}
    assert answer.errors["timeout"] >= 4


def test_a_connection_closed_in_mid_answer_is_a_reset_and_is_not_tried_in_a_busy_loop() -> None:
    async def respond(head: bytes) -> list[bytes]:
        return [answer_bytes()[:-1], b""]

    answer = only(
        fired(keep_alive(respond), make=lambda port: job(target(port), measure_s=0.3, slice_s=0.3))
    )
    # In 0.3 s: one at once, then after 0, 10, 20, 40, 80 ms.
    assert answer.errors.keys() == {"reset"}
    assert 4 < answer.errors["reset"] <= 4 * 8
    assert answer.messages["reset"] == "connection closed in mid-answer"


def test_a_connection_closed_before_an_answer_is_a_reset() -> None:
    async def respond(head: bytes) -> list[bytes]:
        return [b""]

    answer = only(fired(keep_alive(respond), make=lambda port: job(target(port))))
    assert answer.errors.keys() == {"reset"}
    assert answer.messages["reset"] == "connection closed before an answer"


def test_a_refused_connection_is_counted_and_tried_again_with_patience() -> None:
    with socket.socket() as bound:  # not listening: nobody else can, either
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        answer = only(uvloop.run(fire(job(target(port), slice_s=0.3, measure_s=0.3))))
    assert answer.errors.keys() == {"connect"}
    assert 4 < answer.errors["connect"] <= 4 * 8
    assert answer.messages["connect"].startswith(f"127.0.0.1:{port}: ")


def test_a_server_that_closes_after_each_answer_has_no_errors() -> None:
    served = 0

    async def respond(head: bytes) -> list[bytes]:
        nonlocal served
        served += 1
        return [answer_bytes(headers=b"Connection: close\r\n"), b""]

    answer = only(fired(keep_alive(respond), make=lambda port: job(target(port))))
    assert answer.errors == {}
    assert 0 < good(answer) <= answer.reconnects <= served


def test_a_body_that_ends_with_its_connection_is_whole() -> None:
    async def respond(head: bytes) -> list[bytes]:
        return [b"HTTP/1.1 200 OK\r\n\r\n", BODY, b""]

    answer = only(fired(keep_alive(respond), make=lambda port: job(target(port))))
    assert answer.errors == {}
    assert good(answer) > 0


def test_a_server_that_does_not_speak_http_is_a_body_error() -> None:
    async def respond(head: bytes) -> list[bytes]:
        return [b"SSH-2.0-OpenSSH_9.2\r\n"]

    answer = only(fired(keep_alive(respond), make=lambda port: job(target(port))))
    assert answer.errors.keys() == {"body"}
    assert answer.messages["body"] == "not an HTTP/1.1 answer: b'SSH-2'..."


def _byte_by_byte(whole: bytes) -> list[bytes]:
    return [bytes([each]) for each in whole]


CHUNKED = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    b"7;why=not\r\n" + BODY[:7] + b"\r\nE\r\n" + BODY[7:] + b"\r\n0\r\n\r\n"
)
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        _byte_by_byte(answer_bytes()),
        [answer_bytes()[:50], answer_bytes()[50:]],
        [CHUNKED],
        _byte_by_byte(CHUNKED),
        [INTERIM, answer_bytes()],
        [INTERIM + answer_bytes()],
    ],
    ids=["bytewise", "in two", "chunked", "chunked bytewise", "interim", "interim at once"],
)
def test_an_answer_is_whole_however_it_is_framed_and_cut(pieces: list[bytes]) -> None:
    async def respond(head: bytes) -> list[bytes]:
        return pieces

    answer = only(fired(keep_alive(respond), make=lambda port: job(target(port))))
    assert answer.errors == {}
    assert good(answer) > 0


def test_an_answer_larger_than_the_buffer_is_whole() -> None:
    body = b"[" + b"x" * 1_000_000 + b"]"

    async def respond(head: bytes) -> list[bytes]:
        return [answer_bytes(body)]

    make = lambda port: job(target(port, body=body, connections=2), measure_s=0.2)  # noqa: E731
    answer = only(fired(keep_alive(respond), make=make))
    assert answer.errors == {}
    assert good(answer) > 0


def test_answers_that_vary_are_good_at_any_length_and_in_any_pieces() -> None:
    sent = 0

    async def respond(head: bytes) -> list[bytes]:
        nonlocal sent
        sent += 1
        whole = answer_bytes(b'{"id":%d}' % 10 ** (sent % 7))
        cut = 1 + sent % (len(whole) - 1)
        return [whole[:cut], whole[cut:]]

    answer = only(fired(keep_alive(respond), make=lambda port: job(target(port, body=None))))
    assert answer.errors == {}
    assert good(answer) > 0


def test_the_requests_of_a_target_are_sent_in_turn() -> None:
    asked: Counter[bytes] = Counter()

    async def respond(head: bytes) -> list[bytes]:
        asked[head.split(b" ")[1]] += 1
        return [answer_bytes()]

    make = lambda port: job(target(port, paths=("/users/1", "/users/2", "/users/3")))  # noqa: E731
    assert only(fired(keep_alive(respond), make=make)).errors == {}
    # Each of the four connections is somewhere in its turn when it stops.
    assert max(asked.values()) - min(asked.values()) <= 4


def test_bytes_nobody_asked_for_cost_a_connection_but_count_as_no_error() -> None:
    async def respond(head: bytes) -> list[bytes]:
        loop = asyncio.get_running_loop()
        if b"/silent" in head:  # while the other target has its slice
            for writer in talkative:
                writer.write(answer_bytes())
            await asyncio.sleep(0.01)
            loop.call_soon(talkative.clear)
        return [answer_bytes()]

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talkative.append(writer)
        await keep_alive(respond)(reader, writer)

    talkative: list[asyncio.StreamWriter] = []
    make = lambda a, b: job(target(a), target(b, paths=("/silent",)))  # noqa: E731
    chatty, silent = fired(handle, keep_alive(respond), make=make).targets
    assert (chatty.errors, silent.errors) == ({}, {})
    assert chatty.reconnects == 4
    assert good(chatty) > 0


def test_only_one_target_has_requests_in_flight_at_a_time() -> None:
    handler, together = observed_together()
    make = lambda a, b: job(target(a), target(b), warmup_s=0.1)  # noqa: E731
    fired(handler("a"), handler("b"), make=make)
    assert set(together) == {1}


def test_a_closed_loop_obeys_littles_law() -> None:
    async def respond(head: bytes) -> list[bytes]:
        await asyncio.sleep(0.005)
        return [answer_bytes()]

    answer = only(
        fired(keep_alive(respond), make=lambda port: job(target(port), slice_s=0.2, measure_s=0.6))
    )
    mean_s = np.frombuffer(answer.latencies_ns, "<i8").mean() / 1e9
    rate = good(answer) / (sum(each.window_ns for each in answer.slices) / 1e9)
    assert 0.9 < rate * mean_s / 4 < 1.1


def test_the_window_opens_with_the_last_connections_first_answer() -> None:
    opened_ns: list[int] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.05 if opened_ns else 0.0)
        opened_ns.append(time.monotonic_ns())
        writer.write(answer_bytes())
        await keep_alive(respond_well)(reader, writer)

    answer = only(fired(handle, make=lambda port: job(target(port), slice_s=0.1)))
    (window,) = answer.slices
    assert window.start_ns >= max(opened_ns)
    assert window.requests > 0


def test_a_window_that_opens_after_the_slices_end_still_has_half_a_slice() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.1)
        writer.write(answer_bytes())
        await keep_alive(respond_well)(reader, writer)

    answer = only(fired(handle, make=lambda port: job(target(port), slice_s=0.06)))
    assert len(answer.slices) == 1  # it was charged what it really had
    assert answer.slices[0].window_ns >= 0.029e9
    assert answer.slices[0].requests > 0


def test_slices_are_as_long_as_the_slowest_target_needs() -> None:
    async def slow(head: bytes) -> list[bytes]:
        await asyncio.sleep(0.01)
        return [answer_bytes()]

    make = lambda a, b: job(target(a), target(b), slice_s=0.02, warmup_s=0.1)  # noqa: E731
    answer = fired(keep_alive(respond_well), keep_alive(slow), make=make)
    medians = [each.warmup_median_ns or 0 for each in answer.targets]
    assert answer.slice_s == max(medians) * 20 / 1e9 >= 0.2
    assert [len(each.slices) for each in answer.targets] == [1, 1]


def test_a_warm_up_without_a_good_answer_leaves_the_slice_as_it_is() -> None:
    assert real_slice_s(0.1, [None, None]) == 0.1
    assert real_slice_s(0.1, [None, 10_000_000]) == pytest.approx(0.2)


def test_slices_are_given_in_the_rounds_orders_again_and_again() -> None:
    given: list[int] = []

    async def run() -> None:
        async def give_to(index: int, slice_s: float) -> float:
            given.append(index)
            return slice_s * (3 if index == 2 else 1)

        burdens = [functools.partial(give_to, i) for i in range(3)]
        await give([(0, 1, 2), (2, 1, 0)], 0.3, 0.1, burdens)

    asyncio.run(run())
    assert given == [0, 1, 2, 1, 0, 0, 1]


def test_a_target_of_a_smaller_share_sits_rounds_out_until_the_others_have_caught_up() -> None:
    given: list[int] = []

    async def run() -> None:
        async def give_to(index: int, slice_s: float) -> float:
            given.append(index)
            return slice_s

        burdens = [functools.partial(give_to, i) for i in range(2)]
        await give([(0, 1)], 0.8, 0.1, burdens, [1.0, 0.25])

    asyncio.run(run())
    assert given == [0, 1, 0, 0, 0, 0, 1, 0, 0, 0]


def test_rounds_that_leave_a_target_out_are_refused() -> None:
    endless = Job(1.0, 0.1, 0.0, 0.1, (target(1), target(2)), ((0,), (0,)))
    with pytest.raises(ValueError, match="expected every target"):
        asyncio.run(fire(endless))


def test_a_tick_that_came_late_is_noted_though_the_byte_was_served_at_once() -> None:
    async def run() -> LagMeter:
        with LagMeter(every_s=0.01) as meter:
            meter.tick()
            time.sleep(0.05)  # noqa: ASYNC251 - as the scheduler would keep us waiting
            meter.tick()
        return meter

    assert (asyncio.run(run()).late_p99_ns or 0) >= 0.035e9


def test_the_process_reads_a_job_and_writes_an_answer() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        told = job(target(bound.getsockname()[1])).to_json()
        said = subprocess.run(
            [sys.executable, "-m", "harness.load.generator"],
            input=told,
            capture_output=True,
            check=True,
            timeout=30,
        )
    assert said.stderr == b""
    assert Answer.from_json(said.stdout).targets[0].errors.keys() == {"connect"}


def test_the_process_imports_nothing_of_the_served_side_and_nothing_slow() -> None:
    unwanted = {"adapters", "starlette", "asyncpg", "psycopg", "psycopg2", "sqlalchemy"}
    slow = {"numpy", "scipy", "pydantic", "click", "rich", "psutil"}
    listed = "import sys, harness.load.generator; print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", listed], capture_output=True, check=True, text=True
    )
    assert not (unwanted | slow) & set(said.stdout.split())
