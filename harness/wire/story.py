"""A traced request as a reader sees it: lines for a terminal, or one JSON object. Pure."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import orjson

from harness.counted import counted
from harness.wire.conversation import (
    Ending,
    Statement,
    Totals,
    Trip,
    Way,
    ending,
    is_ping,
    is_reset,
    totals,
)

WIDTH = 96
LINE = "{:>8}  {:<9} {:>2}  {}"
HANGING = " " * 24

ENDINGS: dict[Ending | None, str] = {
    "COMMIT": "The transaction ended with COMMIT.",
    "ROLLBACK": "The transaction ended with ROLLBACK.",
    "implicit": "No BEGIN: each statement was a transaction of its own, committed at its end.",
    "open": "The transaction was still open when there was no more to hear.",
    None: "Nothing was said to the database.",
}

WAYS: dict[Way, str] = {
    "simple": "simple query",
    "parsed": "parsed for this request",
    "prepared": "prepared before",
}

LOGIN = frozenset({"StartupMessage", "Password", "SSLRequest", "GSSENCRequest"})


@dataclass(frozen=True, slots=True)
class Story:
    """One request: who was asked for what, how it was answered, and what was said meanwhile.

    `trips` may go on after the answer. `size` is that of the answer's body, in bytes.
    Times are of the clock of the trips.
    """

    stack: str
    endpoint: str
    method: str
    path: str
    status: int
    size: int
    asked_ns: int
    answered_ns: int
    trips: Sequence[Trip]

    @property
    def totals(self) -> Totals:
        """What the conversation comes to."""
        return totals(self.trips)

    def ms(self, at_ns: int) -> float:
        """Return a time as milliseconds since the request."""
        return (at_ns - self.asked_ns) / 1e6


def text(story: Story) -> str:
    """Return the conversation as lines of at most `WIDTH` columns, then what it comes to."""
    lines = [
        f"{story.stack}: {story.endpoint}, one warm request",
        "",
        LINE.format("ms", "", "", "").rstrip(),
        *_timed(story, story.asked_ns, "request", f"{story.method} {story.path}"),
    ]
    answered = False
    for number, trip in enumerate(story.trips, 1):
        if trip.began_ns > story.answered_ns and not answered:
            lines += _answer(story)
            answered = True
        lines += _trip(story, number, trip)
    if not answered:
        lines += _answer(story)
    return "\n".join([*lines, "", _sum(story.totals), ENDINGS[ending(story.trips)]])


def json_bytes(story: Story) -> bytes:
    """Return the totals and every trip as one JSON object; times in ms since the request."""
    document = {
        "stack": story.stack,
        "endpoint": story.endpoint,
        "request": f"{story.method} {story.path}",
        "status": story.status,
        "answered_ms": story.ms(story.answered_ns),
        **asdict(story.totals),
        "ended": ending(story.trips),
        "trips": [_trip_document(story, trip) for trip in story.trips],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def purpose(trip: Trip) -> str:
    """Return what a trip is for, in a word."""
    statements = trip.statements
    tags = {tag for each in statements for tag in each.tags}
    if LOGIN & set(trip.sent):
        return "connect"
    if statements and all(map(is_reset, statements)):
        return "reset"
    if statements and all(map(is_ping, statements)):
        return "ping"
    for tag, word in (("BEGIN", "begin"), ("COMMIT", "commit"), ("ROLLBACK", "rollback")):
        if tags == {tag}:
            return word
    if statements and not tags and not any(each.error for each in statements):
        return "prepare"
    return "statement" if statements else "sync"


def _sum(said: Totals) -> str:
    return (
        f"{counted(said.round_trips, 'round trip')}, {counted(said.statements, 'statement')}; "
        f"{said.bytes_out:,} bytes out, {said.bytes_in:,} in, "
        f"in {counted(said.messages, 'message')}."
    )


def _trip(story: Story, number: int, trip: Trip) -> Iterator[str]:
    """Yield the lines of one trip, with those of its connection's way out of the pool and back."""
    mine = [each for each in story.trips if each.connection == trip.connection]
    working = [each for each in mine if purpose(each) != "connect"]
    if working and trip is working[0]:
        yield from _timed(story, trip.began_ns, "checkout", f"connection {trip.connection}")
    yield from _timed(story, trip.began_ns, purpose(trip), " ".join(trip.sent), str(number))
    for statement in trip.statements:
        yield from _hanging(" ".join(statement.sql.split()) or '""')
        if statement.way != "simple":
            yield from _hanging(_manner(statement))
    if trip.ended_ns is None:
        yield from _hanging("no answer")
    else:
        yield from _timed(story, trip.ended_ns, "", _result(trip))
        if working and trip is working[-1]:
            yield from _timed(story, trip.ended_ns, "return", f"connection {trip.connection}")


def _manner(statement: Statement) -> str:
    """Return how a statement came, and in which format its values went."""
    parts = [WAYS[statement.way]]
    formats = {"parameters": statement.parameters, "results": statement.results}
    parts += [f"{name} {value}" for name, value in formats.items() if value]
    return f"({', '.join(parts)})"


def _result(trip: Trip) -> str:
    done = [tag for each in trip.statements for tag in each.tags]
    errors = [f"ERROR {each.error}" for each in trip.statements if each.error]
    rows = sum(each.rows for each in trip.statements)
    said = ", ".join([*done, *errors]) or "answered"
    size = sum(each.row_bytes for each in trip.statements)
    if rows:
        said += f": {counted(rows, 'row')} of {size:,} bytes" + " together" * (rows > 1)
    return f"-> {said}"


def _answer(story: Story) -> Iterator[str]:
    return _timed(story, story.answered_ns, "answer", f"{story.status}, {story.size:,} bytes")


def _timed(story: Story, at_ns: int, word: str, said: str, number: str = "") -> Iterator[str]:
    first, *rest = textwrap.wrap(said, WIDTH - len(HANGING)) or [""]
    yield LINE.format(f"{story.ms(at_ns):.2f}", word, number, first)
    yield from (HANGING + each for each in rest)


def _hanging(said: str) -> Iterator[str]:
    for line in textwrap.wrap(said, WIDTH - len(HANGING)):
        yield HANGING + line


def _trip_document(story: Story, trip: Trip) -> dict[str, object]:
    fields = asdict(trip)
    began_ns, ended_ns = fields.pop("began_ns"), fields.pop("ended_ns")
    return {
        "purpose": purpose(trip),
        "began_ms": story.ms(began_ns),
        "ended_ms": None if ended_ns is None else story.ms(ended_ns),
        **fields,
    }
