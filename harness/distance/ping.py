"""How long a round trip to a database takes."""

import statistics
import time

import psycopg

from harness.database.address import CONNECT_TIMEOUT_S, Address, reason
from harness.errors import NothingMeasurable

NAME = "harness-ping"
"""The application name of its connections."""

LEAST, MOST, ENOUGH_S = 3, 51, 0.2
"""Round trips: as many as fit into that time, within these bounds."""


def ping_ms(address: Address) -> float:
    """Return the median time of a query without a statement. Blocks its thread.

    Such a query costs the server a message each way and no work. Raises `NothingMeasurable`.
    """
    try:
        with psycopg.connect(
            address.dsn(NAME), password=address.password, connect_timeout=CONNECT_TIMEOUT_S
        ) as connection:
            return _ping_ms(connection.pgconn)
    except psycopg.Error as error:
        raise NothingMeasurable(f"database: {reason(error)}") from error


def _ping_ms(connection: psycopg.pq.abc.PGconn) -> float:
    connection.exec_(b"")  # whose answer comes with the session's first surprises
    took_ns: list[int] = []
    while len(took_ns) < LEAST or (sum(took_ns) < ENOUGH_S * 1e9 and len(took_ns) < MOST):
        began_ns = time.monotonic_ns()
        connection.exec_(b"")
        took_ns.append(time.monotonic_ns() - began_ns)
    return statistics.median(took_ns) / 1e6
