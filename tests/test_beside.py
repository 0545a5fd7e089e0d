"""Work in a copy of the process: what comes of it, and where."""

import os
import sys

import pytest

from harness.beside import at_once, beside
from harness.model import Wire
from tests.factories import a_key, an_observation

HERE = os.getpid()
COPIES = sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1


def test_what_work_returns_is_there_when_asked_for() -> None:
    known = {"a": [1, 2.5, None]}
    assert beside(lambda: known)() == known
    assert at_once(lambda: known)() is known


def test_records_come_back_as_they_were() -> None:
    row = an_observation(a_key(rate=500.0), wire=Wire(2.0))
    found = beside(lambda: {row.key: row})()
    assert found == {row.key: row}
    assert found[a_key(rate=500.0)].key.setting == row.key.setting


@pytest.mark.skipif(not COPIES, reason="there is one CPU, or no fork that is safe")
def test_it_is_done_by_another_process() -> None:
    assert beside(os.getpid)() != HERE


@pytest.mark.skipif(not COPIES, reason="there is one CPU, or no fork that is safe")
def test_what_is_changed_meanwhile_is_not_seen_there() -> None:
    seen = [1]
    found = beside(lambda: list(seen))
    seen.append(2)
    assert found() == [1]


def test_what_it_raises_is_raised() -> None:
    def fails() -> int:
        raise ValueError("no number")

    with pytest.raises(ValueError, match="no number"):
        beside(fails)()


def dies() -> str:
    if os.getpid() != HERE:
        os._exit(1)
    return "done here"


def test_what_a_copy_did_not_live_to_tell_is_done_here() -> None:
    assert beside(dies)() == "done here"


def test_what_cannot_be_sent_is_made_here() -> None:
    assert beside(lambda: lambda: 7)()() == 7
