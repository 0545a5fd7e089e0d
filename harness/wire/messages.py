"""Both directions of one connection's bytes, cut into protocol messages. Pure.

Source: https://www.postgresql.org/docs/current/protocol-message-formats.html, which has been
the same for protocol 3.0 to 3.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass

FRONTEND: Mapping[str, str] = {
    "B": "Bind",
    "C": "Close",
    "D": "Describe",
    "E": "Execute",
    "F": "FunctionCall",
    "H": "Flush",
    "P": "Parse",
    "Q": "Query",
    "S": "Sync",
    "X": "Terminate",
    "c": "CopyDone",
    "d": "CopyData",
    "f": "CopyFail",
    "p": "Password",
}
"""What a client sends, by first byte; SASL's answers are passwords too."""

BACKEND: Mapping[str, str] = {
    "1": "ParseComplete",
    "2": "BindComplete",
    "3": "CloseComplete",
    "A": "NotificationResponse",
    "C": "CommandComplete",
    "D": "DataRow",
    "E": "ErrorResponse",
    "G": "CopyInResponse",
    "H": "CopyOutResponse",
    "I": "EmptyQueryResponse",
    "K": "BackendKeyData",
    "N": "NoticeResponse",
    "R": "Authentication",
    "S": "ParameterStatus",
    "T": "RowDescription",
    "V": "FunctionCallResponse",
    "W": "CopyBothResponse",
    "Z": "ReadyForQuery",
    "c": "CopyDone",
    "d": "CopyData",
    "n": "NoData",
    "s": "PortalSuspended",
    "t": "ParameterDescription",
    "v": "NegotiateProtocolVersion",
}
"""What a server sends, by first byte."""

REQUESTS: Mapping[int, str] = {
    80877102: "CancelRequest",
    80877103: "SSLRequest",
    80877104: "GSSENCRequest",
}
"""What a client may send instead of its StartupMessage, by the number that follows the length."""

ENCRYPTION_ANSWERS: Mapping[bytes, str] = {
    b"N": "EncryptionRefused",
    b"S": "EncryptionAccepted",
    b"G": "EncryptionAccepted",
}
"""The one byte, without a length, that answers SSLRequest and GSSENCRequest."""

PROTOCOL = 3
LONGEST = 2**30
"""Postgres takes and sends no message of a gibibyte: such a length is none."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its name, what stands after its length, and all its bytes on the wire.

    One whose first byte is not known here is called `unknown 'x'`.
    """

    name: str
    body: bytes
    size: int


class Dialogue:
    """The two streams of one connection; each may come in any pieces.

    From where it is encrypted, or is no such protocol, nothing is cut any more.
    """

    def __init__(self) -> None:
        self.opaque = False
        self._client = b""
        self._server = b""
        self._started = False
        self._asked = 0

    def from_client(self, data: bytes) -> list[Message]:
        """Return the messages that `data` completes."""
        self._client += data
        found = []
        while not self.opaque:
            message = self._typed(self._client, FRONTEND) if self._started else self._first()
            if message is None:
                break
            self._client = self._client[message.size :]
            found.append(message)
        return found

    def from_server(self, data: bytes) -> list[Message]:
        """Return the messages that `data` completes."""
        self._server += data
        found = []
        while not self.opaque:
            message = self._encryption() or self._typed(self._server, BACKEND)
            if message is None:
                break
            self._server = self._server[message.size :]
            found.append(message)
        return found

    def _first(self) -> Message | None:
        """Cut one of the messages without a type that a connection begins with."""
        if len(self._client) < 8:
            return None
        length = int.from_bytes(self._client[:4], "big")
        code = int.from_bytes(self._client[4:8], "big")
        name = REQUESTS.get(code) or ("StartupMessage" if code >> 16 == PROTOCOL else None)
        if name is None or not 8 <= length < LONGEST:
            self._give_up()
            return None
        if len(self._client) < length:
            return None
        self._asked += name in ("SSLRequest", "GSSENCRequest")
        self._started = name in ("StartupMessage", "CancelRequest")
        return Message(name, self._client[4:length], length)

    def _encryption(self) -> Message | None:
        """Cut the answer to a wish for encryption, if that is what comes next."""
        name = ENCRYPTION_ANSWERS.get(self._server[:1])
        if not self._asked or name is None:  # an old server may answer with an ErrorResponse
            return None
        self._asked -= 1
        if name == "EncryptionAccepted":
            self._give_up()
        return Message(name, b"", 1)

    def _typed(self, data: bytes, names: Mapping[str, str]) -> Message | None:
        if len(data) < 5:
            return None
        length = int.from_bytes(data[1:5], "big")
        if not 4 <= length < LONGEST:
            self._give_up()
            return None
        if len(data) < length + 1:
            return None
        kind = chr(data[0])
        name = names.get(kind, f"unknown {kind!r}")
        return Message(name, data[5 : length + 1], length + 1)

    def _give_up(self) -> None:
        self.opaque = True
        self._client = self._server = b""
