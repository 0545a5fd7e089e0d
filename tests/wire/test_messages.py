"""Streams cut into messages, however they arrive."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.wire.messages import BACKEND, FRONTEND, Dialogue, Message
from tests.wire import talk

BODIES = st.binary(max_size=40)
FROM_CLIENT = st.lists(st.tuples(st.sampled_from([*FRONTEND, "~"]), BODIES), max_size=8)
FROM_SERVER = st.lists(st.tuples(st.sampled_from([*BACKEND, "~"]), BODIES), max_size=8)


def pieces(stream: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[a:b] for a, b in itertools.pairwise(places)]


def heard(client: Sequence[bytes], server: Sequence[bytes]) -> list[Message]:
    dialogue = Dialogue()
    found = [each for data in client for each in dialogue.from_client(data)]
    return found + [each for data in server for each in dialogue.from_server(data)]


@given(FROM_CLIENT, FROM_SERVER, st.lists(st.integers(0, 400)), st.booleans())
def test_any_split_of_the_streams_gives_the_same_messages(
    sent: list[tuple[str, bytes]],
    received: list[tuple[str, bytes]],
    cuts: list[int],
    asks_for_tls: bool,
) -> None:
    client = talk.SSL_REQUEST * asks_for_tls + talk.STARTUP
    client += b"".join(talk.message(*each) for each in sent)
    server = b"N" * asks_for_tls + b"".join(talk.message(*each) for each in received)
    whole = heard([client], [server])
    assert heard(pieces(client, cuts), pieces(server, cuts)) == whole
    assert sum(each.size for each in whole) == len(client) + len(server)
    typed = [each.body for each in whole if each.name not in BEGINNINGS]
    assert typed == [body for _, body in [*sent, *received]]


BEGINNINGS = {"SSLRequest", "EncryptionRefused", "StartupMessage"}


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_bytes_of_something_else_are_no_error(client: bytes, server: bytes) -> None:
    heard([client], [server])


def test_a_message_nobody_knows_is_named_by_its_byte() -> None:
    [_, unknown] = heard([talk.STARTUP, talk.message("~", b"body")], [])
    assert unknown == Message("unknown '~'", b"body", 9)


@pytest.mark.parametrize(
    ("client", "server"),
    [
        ([talk.SSL_REQUEST], [b"S\x16\x03\x01"]),
        ([b"\x16\x03\x01\x02\x00\x01\x00\x01"], []),
        ([talk.STARTUP, b"Q\x00\x00\x00\x01"], []),
        ([talk.STARTUP], [b"Z\x7f\xff\xff\xff"]),
    ],
    ids=["TLS", "TLS at once", "too short", "too long"],
)
def test_what_cannot_be_read_is_read_no_further(client: list[bytes], server: list[bytes]) -> None:
    dialogue = Dialogue()
    for data in client:
        dialogue.from_client(data)
    for data in server:
        dialogue.from_server(data)
    assert dialogue.opaque
    assert dialogue.from_client(talk.query("SELECT 1")) == []


def test_a_server_that_answers_a_wish_for_encryption_with_an_error_is_understood() -> None:
    [_, error] = heard([talk.SSL_REQUEST], [talk.failed("0A000", "no")])
    assert error.name == "ErrorResponse"


def test_a_cancel_is_all_that_its_connection_says() -> None:
    [cancel] = heard([talk.CANCEL], [])
    assert (cancel.name, cancel.size) == ("CancelRequest", 16)
