"""A server that stands still: an open loop sees all of it, a closed loop hardly any.

The server is a process of its own and reports when it stood still. What each latency must
have been then follows from the schedule alone.
"""

import pytest

from benchmarks.openloop import (
    due_ns,
    job,
    latencies_ms,
    loaded,
    p99_ms,
    served,
    simulated_ns,
)
from harness.load.pace import Pace

MS = 1_000_000
EVERY_S, STALL_S = 2.0, 0.4
CONNECTIONS = 16


def test_the_p99_of_an_open_loop_is_what_the_schedule_and_the_stalls_make_it() -> None:
    with served(EVERY_S, STALL_S) as server:
        told = job(server.port, CONNECTIONS, 3 * EVERY_S, Pace(500.0, "stalls"))
        is_open = loaded(told)
        closed = loaded(job(server.port, CONNECTIONS, EVERY_S, None))
    due = due_ns(told, is_open)
    expected = p99_ms(simulated_ns(due, CONNECTIONS, server.stalls)) / MS
    assert is_open.errors == closed.errors == {}
    assert len(latencies_ms(is_open)) == len(due)
    assert expected > 0.9 * STALL_S * 1000
    assert p99_ms(latencies_ms(is_open)) == pytest.approx(expected, rel=0.05)
    assert p99_ms(latencies_ms(closed)) < 0.5 * expected


@pytest.mark.parametrize(
    ("due", "connections", "stalls", "latencies"),
    [
        ([0, 5, 9], 1, [], [0, 0, 0]),
        ([0, 10, 15, 30], 4, [(10, 30)], [0, 20, 15, 0]),
        # The second waits for the connection that the first is stuck on, and both are freed.
        ([10, 12], 1, [(10, 30)], [20, 18]),
        # Freed at 30, the second is sent when the next stall begins.
        ([10, 12], 1, [(10, 30), (30, 40)], [20, 28]),
        ([10, 12, 14], 2, [(10, 30), (30, 40)], [20, 18, 26]),
    ],
)
def test_a_stall_ends_what_began_in_it_and_holds_what_found_no_connection(
    due: list[int], connections: int, stalls: list[tuple[int, int]], latencies: list[int]
) -> None:
    assert simulated_ns(due, connections, stalls) == latencies
