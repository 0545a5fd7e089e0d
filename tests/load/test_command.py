import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

import orjson
import pytest

from harness.errors import BadInput, NothingMeasurable
from harness.load.command import LoadReport, find, json_bytes, run_load, text
from harness.load.pace import Pace, offsets_ns
from harness.processes import Processes
from tests.load.servers import BODY, Handler, answer_bytes, keep_alive, serving


@contextlib.contextmanager
def served(handle: Handler) -> Iterator[str]:
    """Serve from a thread, beside the loop that waits for the generator; yields the URL."""
    started: list[int] = []
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with serving(handle) as port:
            started.append(port)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield f"http://127.0.0.1:{started[0]}/users/7?a=1"
    finally:
        over.set()
        thread.join()


def loaded(url: str, processes: Processes, timeout_s: float = 5.0) -> LoadReport:
    return asyncio.run(run_load(url, 4, 0.2, timeout_s, processes))


def test_a_url_is_loaded_and_reported(processes: Processes) -> None:
    asked: set[bytes] = set()

    async def respond(head: bytes) -> list[bytes]:
        asked.add(head)
        return [answer_bytes()]

    with served(keep_alive(respond)) as url:
        report = loaded(url, processes)
    (head,) = asked
    assert head.startswith(b"GET /users/7?a=1 HTTP/1.1\r\nhost: 127.0.0.1:")
    assert report.errors == {}
    assert report.rps == pytest.approx(report.requests / report.duration_s)
    assert 0 < (report.p50_ms or 0) <= (report.p95_ms or 0) <= (report.max_ms or 0)
    assert not report.varying


def test_the_json_has_the_columns_of_cells(processes: Processes) -> None:
    async def respond(head: bytes) -> list[bytes]:
        return [answer_bytes()]

    with served(keep_alive(respond)) as url:
        fields = orjson.loads(json_bytes(loaded(url, processes)))
    assert " ".join(sorted(fields)) == (
        "concurrency dropped duration_s err_app err_body err_connect err_database "
        "err_pool_timeout err_reset err_timeout err_too_many_clients error_pct errors late "
        "load_cpu_us max_ms offered_rps p50_ms p90_ms p95_ms p99_ms rate requests rps "
        "schedule_lag_p99_ms service_p50_ms service_p99_ms"
    )
    assert [fields[name] for name in ("rate", "service_p50_ms", "late")] == [None] * 3


def test_a_rate_is_reported_with_its_schedule(processes: Processes) -> None:
    async def respond(head: bytes) -> list[bytes]:
        return [answer_bytes()]

    with served(keep_alive(respond)) as url:
        report = asyncio.run(run_load(url, 4, 0.5, 5.0, processes, rate=400.0))
    fields = orjson.loads(json_bytes(report))
    due = len(list(offsets_ns(Pace(400.0, "load"), 0, 500_000_000)))
    assert (fields["rate"], fields["requests"], fields["offered_rps"]) == (400.0, due, 2 * due)
    assert (fields["errors"], fields["dropped"]) == (0, 0)
    assert 0 < fields["service_p50_ms"] <= fields["p50_ms"]
    assert fields["schedule_lag_p99_ms"] > 0
    said = text(report)
    assert "4 connections, open loop at 400 req/s, 0." in said
    assert f"{2 * due:.1f} req/s were due; service time in ms: p50 " in said
    assert "late (over 1 ms), 0 dropped; schedule lag p99 " in said


def test_answers_that_differ_before_the_load_may_differ_under_it(processes: Processes) -> None:
    ids = iter(range(10**9))

    async def respond(head: bytes) -> list[bytes]:
        return [answer_bytes(b'{"id":%d}' % next(ids))]

    with served(keep_alive(respond)) as url:
        report = loaded(url, processes)
    assert (report.varying, report.errors) == (True, {})
    assert "answers vary" in text(report)


def test_errors_are_told_with_their_first_message(processes: Processes) -> None:
    answers = iter([BODY, BODY])

    async def respond(head: bytes) -> list[bytes]:
        body = next(answers, None)
        if body is None:
            status = "503 Service Unavailable"
            return [answer_bytes(b"pool is empty", status, b"x-error: pool_timeout\r\n")]
        return [answer_bytes(body)]

    with served(keep_alive(respond)) as url:
        report = loaded(url, processes)
    assert (report.rps, report.p50_ms, report.load_cpu_us) == (None, None, None)
    assert report.error_pct == 100.0
    assert "no good answer" in text(report)
    assert f"pool_timeout: {report.error_count} (pool is empty)" in text(report)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://localhost/", "speaks no TLS"),
        ("ftp://localhost/", "expected http://host:port/path"),
        ("localhost:8000", "expected http://host:port/path"),
        ("http://", "expected http://host:port/path"),
        ("http://localhost:99999/", "expected http://host:port/path"),
        ("http://user@localhost/", "expected http://host:port/path"),
        ("http://no-such-host.invalid/", "cannot resolve no-such-host.invalid"),
    ],
)
def test_a_url_that_cannot_be_used_is_one_clear_line(url: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        find(url)
    assert "\n" not in str(caught.value)


def test_a_path_is_sent_as_bytes_a_server_understands() -> None:
    assert find("http://127.0.0.1/a b/%C3%A4?q=ü#part").raw.startswith(
        b"GET /a%20b/%C3%A4?q=%C3%BC HTTP/1.1\r\nhost: 127.0.0.1\r\n"
    )


def test_a_refused_connection_is_nothing_measurable(processes: Processes) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        with pytest.raises(NothingMeasurable, match="Connection refused"):
            loaded(url, processes)


def test_a_server_that_answers_404_is_nothing_measurable(processes: Processes) -> None:
    async def respond(head: bytes) -> list[bytes]:
        return [answer_bytes(b"no such page", "404 Not Found")]

    with (
        served(keep_alive(respond)) as url,
        pytest.raises(NothingMeasurable, match=r"answered 404: .*no such page"),
    ):
        loaded(url, processes)


def test_a_server_that_never_answers_is_nothing_measurable(processes: Processes) -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    with (
        served(stall) as url,
        pytest.raises(NothingMeasurable, match=r"no answer within 0\.1 s"),
    ):
        loaded(url, processes, timeout_s=0.1)
