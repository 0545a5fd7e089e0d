"""What a request and its database said to each other: round trips and statements. Pure.

A **round trip** begins with a client's message when the server owes it nothing, and ends when
the server owes nothing again: a ReadyForQuery for each Query, Sync and FunctionCall; and for
what is sent without a Sync (asyncpg prepares with a Flush), the answer of each message.
So messages that are sent before the answer to earlier ones has come are one round trip
together, however many statements they hold: that is what a pipeline saves.
Each step of a log-in is one, a COPY is one, and a Terminate, which nobody answers, is none.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.wire import fields
from harness.wire.fields import Format
from harness.wire.messages import Message

Ending = Literal["COMMIT", "ROLLBACK", "implicit", "open"]
"""How the last transaction ended; `implicit` when each statement was one of its own."""

Way = Literal["simple", "parsed", "prepared"]
"""How a statement came: as text in a Query, in a Parse of this request or just before it,
or by the name under which an earlier request has prepared it."""

READY = frozenset({"ReadyForQuery"})
OWED: dict[str, frozenset[str]] = {
    "Query": READY,
    "Sync": READY,
    "FunctionCall": READY,
    "Parse": frozenset({"ParseComplete"}),
    "Bind": frozenset({"BindComplete"}),
    "Close": frozenset({"CloseComplete"}),
    "Describe": frozenset({"RowDescription", "NoData"}),
    "Execute": frozenset({"CommandComplete", "EmptyQueryResponse", "PortalSuspended"}),
    "StartupMessage": frozenset({"Authentication"}),
    "Password": frozenset({"Authentication"}),
    "SSLRequest": frozenset({"EncryptionRefused", "EncryptionAccepted"}),
    "GSSENCRequest": frozenset({"EncryptionRefused", "EncryptionAccepted"}),
}
"""What settles each message of a client's; the others are not answered."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a trip: parsed, bound or executed in it.

    `tags` are what CommandComplete said, one for each statement of a Query; or PortalSuspended,
    where no more rows were asked for than came, and EmptyQueryResponse.
    `rows` with all their `row_bytes` came back. `error` is `SQLSTATE message`.
    """

    sql: str
    way: Way
    parameters: Format = ""
    results: Format = ""
    tags: tuple[str, ...] = ()
    rows: int = 0
    row_bytes: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Trip:
    """One round trip on one connection (they are numbered from 1, in the order they were made).

    Times are of the clock that the bytes were heard by; `ended_ns` is None when no last answer
    came. `sent` names the client's messages. `status` is that of the last ReadyForQuery:
    `I` idle, `T` in a transaction, `E` in a failed one; empty without one.
    """

    connection: int
    began_ns: int
    ended_ns: int | None = None
    sent: tuple[str, ...] = ()
    received: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    statements: tuple[Statement, ...] = ()
    status: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    """What a conversation comes to: `bytes_out` and `bytes_in` as the client sees it."""

    round_trips: int
    statements: int
    bytes_out: int
    bytes_in: int
    messages: int


class Connection:
    """One connection's messages, as they come, made into trips.

    It must hear all of them from the first: what a name stands for was said when it was
    prepared, maybe long before.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.trips: list[Trip] = []
        self._owed: deque[frozenset[str]] = deque()
        self._prepared: dict[str, str] = {}
        self._fresh: set[str] = set()
        self._portals: dict[str, int] = {}
        self._running: deque[int] = deque()

    @property
    def settled(self) -> bool:
        """Whether the server owes no answer and no transaction is open."""
        return not self._owed and not (self.trips and self.trips[-1].status in ("T", "E"))

    def forget(self) -> None:
        """Begin anew: what was prepared so far is known, and no longer of this request."""
        self.trips = []
        self._fresh.clear()

    def client(self, at_ns: int, message: Message) -> None:
        """Hear a message of the client's."""
        if message.name == "Terminate":
            return
        if not self._owed or not self.trips:
            self.trips.append(Trip(self.number, at_ns))
            self._portals.clear()
            self._running.clear()
        if message.name in OWED:
            self._owed.append(OWED[message.name])
        trip = self.trips[-1]
        self.trips[-1] = replace(
            trip, sent=(*trip.sent, message.name), bytes_out=trip.bytes_out + message.size
        )
        self._sql(message)

    def server(self, at_ns: int, message: Message) -> None:
        """Hear a message of the server's."""
        if not self.trips:  # the rest of what was forgotten
            self._settle(message.name)
            return
        trip = self.trips[-1]
        ready = message.name == "ReadyForQuery"
        self.trips[-1] = replace(
            trip,
            received=trip.received + 1,
            bytes_in=trip.bytes_in + message.size,
            status=message.body[:1].decode(errors="replace") if ready else trip.status,
        )
        self._answer(message)
        self._settle(message.name)
        if not self._owed:
            self.trips[-1] = replace(self.trips[-1], ended_ns=at_ns)

    def _settle(self, name: str) -> None:
        if name == "ErrorResponse":  # the server answers nothing more until the next Sync
            while self._owed and self._owed[0] != READY:
                self._owed.popleft()
        elif self._owed and name in self._owed[0]:
            self._owed.popleft()

    def _sql(self, message: Message) -> None:
        match message.name:
            case "Query":
                [sql] = fields.texts(message.body, 1)
                self._running.append(self._add(Statement(sql, "simple")))
            case "Parse":
                name, sql = fields.texts(message.body, 2)
                self._prepared[name] = sql
                self._fresh.add(name)
                self._portals[_unbound(name)] = self._add(Statement(sql, "parsed"))
            case "Bind":
                self._bind(fields.bind(message.body))
            case "Execute":
                [portal] = fields.texts(message.body, 1)
                if portal in self._portals:
                    self._running.append(self._portals[portal])
            case "Close":
                kind, name = fields.target(message.body)
                if kind == "S":
                    self._prepared.pop(name, None)

    def _bind(self, bind: fields.Bind) -> None:
        place = self._portals.pop(_unbound(bind.statement), None)
        if place is None:
            way: Way = "parsed" if bind.statement in self._fresh | {""} else "prepared"
            place = self._add(Statement(self._prepared.get(bind.statement, ""), way))
        self._portals[bind.portal] = place
        self._change(place, parameters=bind.parameters, results=bind.results)

    def _answer(self, message: Message) -> None:
        if not self._running:
            return
        place = self._running[0]
        statement = self.trips[-1].statements[place]
        simple = statement.way == "simple"
        match message.name:
            case "DataRow":
                rows, size = statement.rows + 1, statement.row_bytes + message.size
                self._change(place, rows=rows, row_bytes=size)
            case "RowDescription" if simple:
                self._change(place, results="text")
            case "CommandComplete":
                self._change(place, tags=(*statement.tags, fields.tag(message.body)))
            case "EmptyQueryResponse" | "PortalSuspended":
                self._change(place, tags=(*statement.tags, message.name))
            case "ErrorResponse":
                self._change(place, error=fields.error(message.body))
        done = {"ReadyForQuery"} if simple else OWED["Execute"] | {"ErrorResponse"}
        if message.name in done:
            self._running.popleft()

    def _add(self, statement: Statement) -> int:
        trip = self.trips[-1]
        self.trips[-1] = replace(trip, statements=(*trip.statements, statement))
        return len(trip.statements)

    def _change(self, place: int, **values: object) -> None:
        trip = self.trips[-1]
        changed = replace(trip.statements[place], **values)  # type: ignore[arg-type]
        before, after = trip.statements[:place], trip.statements[place + 1 :]
        self.trips[-1] = replace(trip, statements=(*before, changed, *after))


def _unbound(statement: str) -> str:
    """Return a key for a statement that was parsed in this trip and waits for its Bind."""
    return f"\0{statement}"  # no portal's: a name cannot hold a zero byte


def totals(trips: Sequence[Trip]) -> Totals:
    """Return what `trips` come to. Statements are those that the database says it carried out."""
    return Totals(
        round_trips=len(trips),
        statements=sum(len(each.tags) for trip in trips for each in trip.statements),
        bytes_out=sum(trip.bytes_out for trip in trips),
        bytes_in=sum(trip.bytes_in for trip in trips),
        messages=sum(len(trip.sent) + trip.received for trip in trips),
    )


def ending(trips: Sequence[Trip]) -> Ending | None:
    """Return how the last transaction of `trips` ended; None when there was none.

    What a pool does between two users of a connection (`is_reset`) is no part of it.
    """
    last: Ending | None = None
    explicit = False
    for statement in (each for trip in trips for each in trip.statements):
        for tag in () if is_reset(statement) else statement.tags:
            if tag in ("BEGIN", "START TRANSACTION"):
                explicit, last = True, "open"
            elif tag in ("COMMIT", "ROLLBACK"):
                explicit, last = False, "COMMIT" if tag == "COMMIT" else "ROLLBACK"
            elif not explicit:
                last = "implicit"
    return last


def is_reset(statement: Statement) -> bool:
    """Whether a statement makes a session as good as new."""
    sql = statement.sql.upper()
    return "RESET ALL" in sql or "DISCARD ALL" in sql


def is_ping(statement: Statement) -> bool:
    """Whether a statement only asks if the server is there."""
    return statement.sql.strip().rstrip(";").upper() in ("", "SELECT 1")
