"""The bytes of protocol messages, made by hand, and what a connection makes of them."""

from collections.abc import Sequence

from harness.wire.conversation import Connection, Trip
from harness.wire.messages import Dialogue

Said = Sequence[tuple[str, bytes]]
"""Who said it (`client`, `server`), and what."""


def message(kind: str, body: bytes = b"") -> bytes:
    return kind.encode() + (len(body) + 4).to_bytes(4, "big") + body


def untyped(code: int, rest: bytes = b"") -> bytes:
    return (len(rest) + 8).to_bytes(4, "big") + code.to_bytes(4, "big") + rest


def text(*parts: str) -> bytes:
    return b"".join(part.encode() + b"\0" for part in parts)


def short(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(2, "big") for number in numbers)


STARTUP = untyped(3 << 16, text("user", "me") + b"\0")
SSL_REQUEST = untyped(80877103)
CANCEL = untyped(80877102, bytes(8))
LOGGED_IN = message("R", bytes(4)) + message("Z", b"I")
SYNC = message("S")
DESCRIBE = message("D", b"S" + text(""))
EXECUTE = message("E", text("") + bytes(4))
PARSED, BOUND = message("1"), message("2")
ROW = message("D", short(1) + (1).to_bytes(4, "big") + b"x")
ROWS = message("T", short(0))


def query(sql: str) -> bytes:
    return message("Q", text(sql))


def parse(sql: str, name: str = "") -> bytes:
    return message("P", text(name, sql) + short(0))


def bind(name: str = "", *, binary: bool = False, parameters: int = 1) -> bytes:
    codes = short(1, 1) if binary else short(0)
    values = b"".join((1).to_bytes(4, "big") + b"v" for _ in range(parameters))
    return message("B", text("", name) + codes + short(parameters) + values + codes)


def done(tag: str) -> bytes:
    return message("C", text(tag))


def ready(status: str = "I") -> bytes:
    return message("Z", status.encode())


def failed(sqlstate: str, said: str) -> bytes:
    return message("E", b"C" + text(sqlstate) + b"M" + text(said) + b"\0")


def trips(*said: tuple[str, bytes], logged_in: bool = True) -> list[Trip]:
    """Return the trips that a connection which has just logged in makes of `said`."""
    dialogue, connection = Dialogue(), Connection(1)
    login = [("client", STARTUP), ("server", LOGGED_IN)] if logged_in else []
    for at_ns, (who, data) in enumerate([*login, *said]):
        if at_ns == len(login):
            connection.forget()
        if who == "client":
            for each in dialogue.from_client(data):
                connection.client(at_ns, each)
        else:
            for each in dialogue.from_server(data):
                connection.server(at_ns, each)
    return connection.trips
