"""The parser, and the connection's short cut around it, on every way bytes may be cut."""

import contextlib
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.connection import CHECK_EVERY, Connection, judge
from harness.load.http import UNKNOWN, Head, MalformedError, Reply, ReplyReader, Shape
from harness.load.job import Request

BODIES = st.binary(max_size=60)
DATES = st.sampled_from([b"date: Mon", b"date: Tue"])


def _plain(body: bytes, date: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n\r\n%b" % (len(body), date, body)


def _chunked(pieces: list[bytes], date: bytes) -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces if each)
    return b"HTTP/1.1 200 OK\r\n%b\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % (
        date,
        chunks,
    )


PLAIN = st.builds(lambda body, date: (_plain(body, date), body), BODIES, DATES)
CHUNKED = st.builds(
    lambda pieces, date: (_chunked(pieces, date), b"".join(pieces)),
    st.lists(BODIES, max_size=4),
    DATES,
)
INTERIM = st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n"])
ANSWERS = st.tuples(INTERIM, PLAIN | CHUNKED).map(lambda pair: (pair[0] + pair[1][0], pair[1][1]))
REQUEST = b"GET / HTTP/1.1\r\n\r\n"
CUTS = st.lists(st.integers(1, 40), min_size=1, max_size=20)


@dataclass
class Told:
    """What a connection told its owner."""

    failures: list[tuple[str, str]] = field(default_factory=list)
    rests: int = 0

    def failed(self, error_class: str, message: str) -> None:
        self.failures.append((error_class, message))

    def reconnected(self) -> None:
        pass

    def answered(self) -> None:
        pass

    def rested(self) -> None:
        self.rests += 1


class Outlet:
    """The part of a transport a connection uses, on a real socket."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self._near, self._far = near, far
        self._bytes_out = 0
        self.aborted = False

    def get_extra_info(self, name: str) -> socket.socket:
        return self._near

    def write(self, data: bytes) -> None:
        self._near.sendall(data)

    def abort(self) -> None:
        self.aborted = True

    def requests(self) -> int:
        """Requests sent until now."""
        with contextlib.suppress(BlockingIOError):
            self._bytes_out += len(self._far.recv(65536, socket.MSG_DONTWAIT))
        return self._bytes_out // len(REQUEST)


@contextlib.contextmanager
def _connected(body: bytes | None) -> Iterator[tuple[Connection, Told, Outlet, list[int]]]:
    near, far = socket.socketpair()
    told, outlet, latencies_ns = Told(), Outlet(near, far), list[int]()
    request = Request(REQUEST, 200, body)
    with near, far:
        connection = Connection(told, ("127.0.0.1", 1), [request], 0, 10.0, random.Random(1))
        connection.connection_made(outlet)  # type: ignore[arg-type]
        connection.record = latencies_ns.append
        connection.start()
        yield connection, told, outlet, latencies_ns


def _feed(connection: Connection, data: bytes) -> None:
    while data:
        room = connection.get_buffer(-1)
        size = min(len(room), len(data))
        room[:size] = data[:size]
        connection.buffer_updated(size)
        data = data[size:]


@given(st.lists(ANSWERS, min_size=1, max_size=8), CUTS)
def test_any_split_of_any_answers_gives_the_same_answers(
    answers: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    turn = 0
    with _connected(None) as (connection, told, outlet, latencies_ns):
        for done, (whole, _) in enumerate(answers):
            rest = whole
            while rest:
                assert len(latencies_ns) == done  # nothing is taken for whole too early
                size = cuts[turn % len(cuts)]
                turn += 1
                _feed(connection, rest[:size])
                rest = rest[size:]
            assert len(latencies_ns) == done + 1 == outlet.requests() - 1
    assert (told.failures, outlet.aborted) == ([], False)


@given(ANSWERS, CUTS)
def test_the_reader_gives_back_the_content_however_it_was_cut(
    answer: tuple[bytes, bytes], cuts: list[int]
) -> None:
    whole, body = answer
    reader, buffer, filled, turn = ReplyReader(), bytearray(whole), 0, 0
    while (reply := reader.read(buffer, filled)) is None:
        assert filled < len(whole)
        filled = min(filled + cuts[turn % len(cuts)], len(whole))
        turn += 1
    assert (reply.body, reply.end, filled) == (body, len(whole), len(whole))


@given(PLAIN, PLAIN, st.data())
def test_an_answer_is_never_taken_for_whole_by_its_length_alone(
    one: tuple[bytes, bytes], other: tuple[bytes, bytes], data: st.DataObject
) -> None:
    shape = Shape.of(_read(one[0]), bytearray(one[0]))
    assert shape is not None
    filled = data.draw(st.integers(0, len(other[0]) - 1))
    stale = bytearray(one[0].ljust(200, b"?"))
    stale[:filled] = other[0][:filled]
    assert not (filled == shape.length and stale.startswith(shape.head))
    if shape.partly_in(stale, filled):
        assert len(other[0]) == len(one[0])


def _read(whole: bytes) -> Reply:
    reply = ReplyReader().read(bytearray(whole), len(whole))
    assert reply is not None
    return reply


@pytest.mark.parametrize(
    "whole",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    ],
)
def test_an_answer_whose_end_its_head_cannot_prove_teaches_no_shape(whole: bytes) -> None:
    assert Shape.of(_read(whole), bytearray(whole)) is None


def test_nothing_has_the_unknown_shape() -> None:
    assert not UNKNOWN.partly_in(bytearray(b"HTTP/1.1 200 OK\r\n\r\n"), 19)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/2 200",
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK\r\nno colon",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1",
        b"HTTP/1.1 200 OK\r\ncontent-length: one",
    ],
)
def test_a_head_that_is_none_is_refused(head: bytes) -> None:
    with pytest.raises(MalformedError):
        Head.parse(head)


@pytest.mark.parametrize("chunks", [b"xyz\r\n", b"-1\r\n", b"2\r\n{}?\r\n0\r\n\r\n"])
def test_chunks_that_are_none_are_refused(chunks: bytes) -> None:
    whole = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks
    with pytest.raises(MalformedError):
        ReplyReader().read(bytearray(whole), len(whole))


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (b"HTTP/1.1 200 OK", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close", False),
        (b"HTTP/1.0 200 OK", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive", True),
    ],
)
def test_a_connection_outlives_its_answer_as_the_version_and_header_say(
    head: bytes, keep_alive: bool
) -> None:
    assert Head.parse(head).keep_alive is keep_alive


def test_an_empty_answer_needs_no_content_length() -> None:
    whole = b"HTTP/1.1 204 No Content\r\n\r\n"
    assert _read(whole).body == b""
    assert judge(_read(whole), Request(b"", 204, None)) is None


def test_an_answer_with_more_behind_it_is_a_body_error_and_ends_the_connection() -> None:
    with _connected(b"{}") as (connection, told, outlet, latencies_ns):
        _feed(connection, _plain(b"{}", b"date: Mon") + b"HTTP/1.1")
    assert told.failures == [("body", "8 bytes after the end of the answer")]
    assert (outlet.aborted, latencies_ns) == (True, [])


def test_a_wrong_body_says_where_it_differs() -> None:
    reply = _read(_plain(b'{"id":8}', b"date: Mon"))
    assert judge(reply, Request(b"", 200, b'{"id":7}')) == (
        "body",
        "byte 6 is not the verified answer's: b'8}'",
    )


def test_a_wrong_byte_is_found_within_the_answers_between_two_checks() -> None:
    with _connected(b"{}") as (connection, told, outlet, latencies_ns):
        _feed(connection, _plain(b"{}", b"date: Mon"))
        while not told.failures:
            assert outlet.requests() <= 2 * CHECK_EVERY
            _feed(connection, _plain(b"[]", b"date: Mon"))
    assert told.failures == [("body", "byte 0 is not the verified answer's: b'[]'")]
    assert len(latencies_ns) < 2 * CHECK_EVERY
