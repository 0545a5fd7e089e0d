"""What connections did in one block, and in several."""

from collections import Counter

import numpy as np
import pytest

from harness import histogram
from harness.connections import of_block, together_each
from harness.database.sampling import Seen, kind_of
from harness.model import Connections, ConnectionsBlock
from harness.waits import Waits


def seen(*samples: list[tuple[str, str, int]]) -> Seen:
    found = Seen()
    for each in samples:
        found.add(each)
    return found


def test_peaks_are_of_one_moment_and_statements_of_all_idle_connections() -> None:
    found = seen(
        [("active", "", 6), ("idle", "ROLLBACK", 4)],
        [("active", "", 1), ("idle", "ROLLBACK", 10), ("idle in transaction", "", 1)],
        [("idle", "SELECT 1", 1)],
    )
    assert found.most == 12
    block = of_block(found, None, (19, 29))
    assert block.figures == Connections(6, 10, 1, "ROLLBACK", None, None, "29/19")
    assert block.last_statements == '{"ROLLBACK":14,"SELECT":1}'


def test_nothing_was_seen_of_a_stack_without_a_database() -> None:
    assert of_block(Seen(), None, ()) == ConnectionsBlock()


def test_several_blocks_have_the_peak_of_all_and_the_statements_of_all() -> None:
    one = of_block(seen([("active", "", 3), ("idle", "COMMIT", 9)]), None, (8, 8))
    other = of_block(
        seen([("active", "", 5), ("idle", "SELECT 1", 3)]),
        Waits(histogram.counts(np.full(100, 2_000_000))),
        (10, 6),
    )
    found, none = together_each([[one, other, ConnectionsBlock()], []])
    assert (found.connections_active, found.connections_idle) == (5, 9)
    assert found.connections_idle_in_transaction == 0
    assert found.last_statement == "COMMIT; SELECT"
    assert found.worker_split == "10/6"
    assert found.pool_wait_mean_ms == pytest.approx(2, rel=0.01)
    assert none == Connections()


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("ROLLBACK;", "ROLLBACK"),
        ("select 1", "SELECT"),
        ("SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;", "RESET"),
        ("", "nothing"),
        (" ; ", "nothing"),
    ],
)
def test_a_statement_is_named_by_the_first_word_of_the_last_of_several(
    statement: str, kind: str
) -> None:
    assert kind_of(statement) == kind


def test_a_rare_statement_is_not_named() -> None:
    few = Seen(most=1, last_statements=Counter(COMMIT=91, SELECT=9))
    assert of_block(few, None, ()).figures.last_statement == "COMMIT"
