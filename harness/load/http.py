"""HTTP/1.1 as a client that measures speaks it: requests as bytes, answers found in a buffer.

Nothing here knows of sockets or time. RFC 9112 as far as servers use it: answers framed
by content-length, by chunks or by the connection's end, interim (1xx) answers skipped.
"""

from dataclasses import dataclass
from typing import Self

BLANK_LINE = b"\r\n\r\n"
LONGEST_HEAD = 65536


class MalformedError(Exception):
    """Bytes that are no HTTP/1.1 answer; the connection they came on is useless."""


def request_bytes(method: str, path: str, authority: str, body: bytes | None = None) -> bytes:
    """One request as it goes over the wire; `authority` is host:port, `body` is JSON.

    Only the headers a server needs: everything more is parsed again a million times.
    """
    lines = [f"{method} {path} HTTP/1.1", f"host: {authority}"]
    if body is not None:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


@dataclass(frozen=True, slots=True)
class Head:
    """What a head says that matters here. `content_length` is None when it says none."""

    status: int
    content_length: int | None
    chunked: bool
    keep_alive: bool
    error_class: str | None

    @classmethod
    def parse(cls, head: bytes) -> Self:
        """Read a head, without its blank line. Raises `MalformedError`."""
        status_line, *lines = head.split(b"\r\n")
        fields = dict(_field(line) for line in lines)
        status = _status(status_line)
        connection = fields.get(b"connection", b"").lower()
        bodyless = status < 200 or status in (204, 304)
        return cls(
            status=status,
            content_length=0 if bodyless else _content_length(fields),
            chunked=not bodyless and b"chunked" in fields.get(b"transfer-encoding", b"").lower(),
            keep_alive=connection == b"keep-alive"
            or (status_line.startswith(b"HTTP/1.1") and connection != b"close"),
            error_class=fields[b"x-error"].decode("latin-1") if b"x-error" in fields else None,
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. It lies in `start:end` of the buffer, its body from `body_at` on.

    `body` is the content, with chunks joined.
    """

    head: Head
    start: int
    body_at: int
    end: int
    body: bytes


class ReplyReader:
    """Finds the end of one answer in a buffer that fills, without reading anything twice.

    The buffer is handed in at every call, so that it may grow in between.
    """

    __slots__ = ("_body_at", "_chunk_at", "_head", "_searched", "_start")

    def __init__(self) -> None:
        self._start = 0
        self._searched = 0
        self._head: Head | None = None
        self._body_at = 0
        self._chunk_at = 0

    @property
    def end(self) -> int | None:
        """Where the answer will end, as soon as its head has said so."""
        if self._head is None or self._head.chunked or self._head.content_length is None:
            return None
        return self._body_at + self._head.content_length

    def read(self, buffer: bytearray, filled: int) -> Reply | None:
        """Return the answer once `buffer[:filled]` holds it whole. Raises `MalformedError`."""
        if self._head is None and not self._read_head(buffer, filled):
            return None
        assert self._head is not None
        if self._head.chunked:
            return self._read_chunks(buffer, filled)
        if self.end is None or filled < self.end:
            return None
        return self._reply(self.end, bytes(buffer[self._body_at : self.end]))

    def read_to_close(self, buffer: bytearray, filled: int) -> Reply | None:
        """Return the answer that the connection's end completes; None if it cut one short."""
        if self._head is None or self._head.chunked or self._head.content_length is not None:
            return None
        return self._reply(filled, bytes(buffer[self._body_at : filled]))

    def _read_head(self, buffer: bytearray, filled: int) -> bool:
        while True:
            end = buffer.find(BLANK_LINE, max(self._start, self._searched - 3), filled)
            if end < 0:
                self._searched = filled
                self._refuse_nonsense(buffer, filled)
                return False
            head = Head.parse(bytes(buffer[self._start : end]))
            if head.status >= 200:
                break
            self._start = self._searched = end + len(BLANK_LINE)
        self._head = head
        self._body_at = self._chunk_at = end + len(BLANK_LINE)
        return True

    def _refuse_nonsense(self, buffer: bytearray, filled: int) -> None:
        begun = bytes(buffer[self._start : min(filled, self._start + 5)])
        if not b"HTTP/".startswith(begun):
            raise MalformedError(f"not an HTTP/1.1 answer: {begun!r}...")
        if filled - self._start > LONGEST_HEAD:
            raise MalformedError(f"a head of more than {LONGEST_HEAD} bytes")

    def _read_chunks(self, buffer: bytearray, filled: int) -> Reply | None:
        """Step over whole chunks; the body is joined only once the last has come."""
        while True:
            line_end = buffer.find(b"\r\n", self._chunk_at, filled)
            if line_end < 0:
                return None
            size = _chunk_size(bytes(buffer[self._chunk_at : line_end]))
            if size == 0:
                end = _end_of_trailers(buffer, line_end, filled)
                return None if end is None else self._reply(end, self._joined(buffer))
            after = line_end + 2 + size + 2
            if after > filled:
                return None
            if buffer[after - 2 : after] != b"\r\n":
                raise MalformedError("a chunk that is longer than it said")
            self._chunk_at = after

    def _joined(self, buffer: bytearray) -> bytes:
        pieces: list[bytes] = []
        at = self._body_at
        while True:
            line_end = buffer.find(b"\r\n", at)
            size = _chunk_size(bytes(buffer[at:line_end]))
            if size == 0:
                return b"".join(pieces)
            pieces.append(bytes(buffer[line_end + 2 : line_end + 2 + size]))
            at = line_end + 2 + size + 2

    def _reply(self, end: int, body: bytes) -> Reply:
        assert self._head is not None
        return Reply(self._head, self._start, self._body_at, end, body)


@dataclass(frozen=True, slots=True)
class Shape:
    """How an answer like the last one is recognised without parsing it.

    It is whole when `length` bytes have come and they begin with `head`, blank line
    included: the same content-length then says that they are all. A `date` that moves on
    costs one parse a second. A chunked answer has no shape: its length proves nothing.
    """

    head: bytes
    length: int

    @classmethod
    def of(cls, reply: Reply, buffer: bytearray) -> Self | None:
        """Learn from an answer that lies in `buffer`; None when the next may be framed anew."""
        sized = reply.head.content_length is not None and not reply.head.chunked
        if not sized or not reply.head.keep_alive or reply.start != 0:
            return None
        return cls(bytes(buffer[: reply.body_at]), reply.end)

    def partly_in(self, buffer: bytearray, filled: int) -> bool:
        """Whether `buffer[:filled]` is the beginning of such an answer, its head complete."""
        return len(self.head) <= filled < self.length and buffer.startswith(self.head)


UNKNOWN = Shape(head=b"", length=-1)
"""Of an answer not seen yet: nothing has this shape."""


def _status(line: bytes) -> int:
    version, _, rest = line.partition(b" ")
    digits = rest[:3]
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or len(digits) != 3 or not digits.isdigit():
        raise MalformedError(f"not an HTTP/1.1 answer: {line[:40]!r}")
    return int(digits)


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon:
        raise MalformedError(f"a header without a colon: {line[:40]!r}")
    return name.lower(), value.strip()


def _content_length(fields: dict[bytes, bytes]) -> int | None:
    value = fields.get(b"content-length")
    if value is None:
        return None
    if not value.isdigit():
        raise MalformedError(f"a content-length of {value[:40]!r}")
    return int(value)


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    try:
        size = int(digits, 16)
    except ValueError:
        size = -1
    if size < 0:
        raise MalformedError(f"a chunk of size {line[:40]!r}")
    return size


def _end_of_trailers(buffer: bytearray, line_end: int, filled: int) -> int | None:
    """Where the answer ends, given the end of the last chunk's size line."""
    blank = buffer.find(BLANK_LINE, line_end, filled)
    return None if blank < 0 else blank + len(BLANK_LINE)
