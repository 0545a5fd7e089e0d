"""Counts of waits, before and after a load, as what lay in between."""

from pathlib import Path

import numpy as np
import pytest

from adapters import checkouts
from harness import histogram, waits


def counted(path: Path, *waits_ns: int) -> Path:
    checkouts.share(path)
    for each in waits_ns:
        checkouts.record(each)
    return path


def test_waits_of_all_workers_between_two_readings(tmp_path: Path) -> None:
    one, other = counted(tmp_path / "1", 10_000_000), counted(tmp_path / "2")
    before = waits.read([one, other])
    for each in [1_000_000] * 98 + [3_000_000] * 2:
        checkouts.record(each)
    found = waits.between(before, waits.read([one, other]))
    assert found is not None
    assert found.mean_ms == pytest.approx(1.04, rel=0.03)
    assert found.p99_ms == pytest.approx(3, rel=0.03)
    assert found.counts.sum() == 100


def test_what_was_not_counted_is_none_and_no_zero(tmp_path: Path) -> None:
    some = waits.read([counted(tmp_path / "1", 5)])
    assert waits.read([]) is None
    assert waits.read([tmp_path / "missing"]) is None
    assert waits.between(some, some) is None
    assert waits.between(None, some) is None
    assert [each.mean_ms for each in waits.together_each([[], [""]])] == [None, None]
    assert [each.p99_ms for each in waits.together_each([[], [""]])] == [None, None]


def test_waits_of_several_blocks_are_put_together() -> None:
    texts = [
        histogram.encode(histogram.counts(np.full(count, wait_ns)))
        for count, wait_ns in ((99, 1_000_000), (101, 2_000_000))
    ]
    (found,) = waits.together_each([texts])
    assert found.mean_ms == pytest.approx(1.505, rel=0.01)
    assert found.p99_ms == pytest.approx(2, rel=0.01)
