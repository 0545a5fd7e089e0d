"""Requests' waits for their pools, counted by every adapter in a file that others can read."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import checkouts
from tests.adapters.stacks import STACKS, opened, without_overflow
from tests.adapters.test_errors import users_locked
from tests.conftest import Database

WAIT_S = 0.05


def counted(path: Path, before: Sequence[int]) -> list[float]:
    """Return the middles of the bins that have grown, in ns, one a request."""
    return [
        checkouts.middle_ns(number)
        for number, (was, now) in enumerate(zip(before, checkouts.read(path), strict=True))
        for _ in range(now - was)
    ]


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    path = tmp_path / "1.checkouts"
    checkouts.share(path)
    return path


@pytest.mark.parametrize(("name", "lane"), STACKS)
def test_every_request_is_counted_once_and_so_is_one_that_gave_up(
    database: Database, shared: Path, name: str, lane: str
) -> None:
    async def ask() -> tuple[list[float], list[float]]:
        given = {"pool_size": 1, "pool_timeout": WAIT_S} | without_overflow(name)
        async with opened(name, database.dsn, lane, **given) as adapter:
            warm = checkouts.read(shared)
            for _ in range(3):
                await adapter.get_user(7)
            alone, before = counted(shared, warm), checkouts.read(shared)
            async with users_locked(database):
                both = [asyncio.ensure_future(adapter.get_user(7)) for _ in range(2)]
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.gather(*both, return_exceptions=True)
            return alone, counted(shared, before)

    alone, crowded = asyncio.run(ask())
    assert len(alone) == 3
    assert len(crowded) == 2
    assert max(crowded) > WAIT_S * 1e9 * 0.95  # a bin is 3 % wide


@given(st.integers(0, 2**48 - 1))
def test_a_wait_falls_into_a_bin_whose_middle_is_near_it(wait_ns: int) -> None:
    before = list(checkouts._counts)
    checkouts.record(wait_ns)
    (number,) = [
        each
        for each, (was, now) in enumerate(zip(before, checkouts._counts, strict=True))
        if now != was
    ]
    assert abs(checkouts.middle_ns(number) - wait_ns) <= max(0.5, wait_ns / 64)


def test_the_middles_of_bins_rise() -> None:
    middles = [checkouts.middle_ns(each) for each in range(checkouts.BINS)]
    assert all(one < other for one, other in pairwise(middles))
