"""How often the tables of a run are written again."""

import pytest

from harness.upkeep import MOST, Upkeep


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def writings(block_s: float, writing_s: float, blocks: int = 100) -> int:
    """Return after how many of so many blocks the tables were written."""
    clock, written = Clock(), 0
    upkeep = Upkeep(clock)
    for _ in range(blocks):
        clock.now_s += block_s
        if upkeep.due:
            with upkeep.spending():
                clock.now_s += writing_s
            written += 1
    return written


def test_the_tables_follow_every_block_where_that_costs_next_to_nothing() -> None:
    assert writings(block_s=1.0, writing_s=0.9 * MOST) == 100


@pytest.mark.parametrize("writing_s", [1.0, 4.0, 30.0])
def test_writing_them_takes_no_more_than_its_share(writing_s: float) -> None:
    written = writings(block_s=15.0, writing_s=writing_s, blocks=1000)
    assert 1 < written < 1000
    assert written * writing_s <= MOST * 15.0 * 1000 + writing_s


def test_they_are_written_after_the_first_block() -> None:
    assert writings(block_s=1.0, writing_s=1000.0, blocks=1) == 1
