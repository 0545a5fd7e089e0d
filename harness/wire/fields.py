"""What stands in the messages that matter here. Pure; of a damaged body, what can be read.

Source: https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Format = Literal["", "text", "binary", "mixed"]
"""How values go over the wire; empty when there are none."""


@dataclass(frozen=True, slots=True)
class Bind:
    """A statement (the unnamed one is "") made a portal, ready to be executed.

    `results` is what was asked for; whether there are any is in the RowDescription.
    """

    portal: str
    statement: str
    parameters: Format
    results: Format


class Body:
    """The bytes of a message, read from the front."""

    def __init__(self, body: bytes) -> None:
        self._rest = body

    def text(self) -> str:
        """Take a string up to its zero byte."""
        value, _, self._rest = self._rest.partition(b"\0")
        return value.decode(errors="replace")

    def integer(self, size: int) -> int:
        """Take a signed integer of `size` bytes."""
        value, self._rest = self._rest[:size], self._rest[size:]
        return int.from_bytes(value, "big", signed=True)

    def skip(self, size: int) -> None:
        """Leave out `size` bytes; none when it is negative, as the length of a NULL is."""
        self._rest = self._rest[max(0, size) :]

    def codes(self) -> list[int]:
        """Take a counted list of format codes."""
        return [self.integer(2) for _ in range(self.integer(2))]


def texts(body: bytes, count: int) -> list[str]:
    """Return the first `count` strings of a body."""
    reader = Body(body)
    return [reader.text() for _ in range(count)]


def bind(body: bytes) -> Bind:
    """Read a Bind."""
    reader = Body(body)
    portal, statement = reader.text(), reader.text()
    formats = reader.codes()
    count = reader.integer(2)
    for _ in range(count):
        reader.skip(reader.integer(4))
    # No codes at all mean text for every value.
    return Bind(portal, statement, format_of(formats or [0], count), format_of(reader.codes()))


def format_of(codes: Sequence[int], count: int = 1) -> Format:
    """Return how `count` values go by their format codes."""
    if not count:
        return ""
    kinds = set(codes) or {0}
    return "mixed" if len(kinds) > 1 else ("binary" if kinds == {1} else "text")


def target(body: bytes) -> tuple[str, str]:
    """Return what Describe and Close name: `S` (a statement) or `P` (a portal), and which."""
    return body[:1].decode(errors="replace"), texts(body[1:], 1)[0]


def tag(body: bytes) -> str:
    """Return what a CommandComplete says was done, such as `SELECT 1`."""
    return texts(body, 1)[0]


def error(body: bytes) -> str:
    """Return an ErrorResponse as `SQLSTATE message`."""
    parts = [part for part in body.split(b"\0") if part]
    found = {part[:1]: part[1:].decode(errors="replace") for part in parts}
    return f"{found.get(b'C', '')} {found.get(b'M', '')}".strip()
