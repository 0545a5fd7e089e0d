"""Memory against answers: the slope over rounds, and over blocks."""

import pytest

from harness.growth import Held, of_block, together
from harness.model import Memory


def held(*rss_mib: float | None) -> list[Held]:
    """Return rounds of 2,000 answers each."""
    return [Held(2000 * number, mib) for number, mib in enumerate(rss_mib, 1)]


def test_a_server_that_grows_by_a_constant_has_that_slope_and_no_width() -> None:
    found = of_block(held(60.0, 62.0, 64.0, 66.0), [66.04], quiet=False)
    assert found.figures.rss_growth_kib_per_1000 == pytest.approx(1024)
    assert found.figures.rss_growth_lo == pytest.approx(1024)
    assert found.figures.rss_growth_hi == pytest.approx(1024)
    assert found.figures.rss_per_worker == "66.0"
    assert found.figures.rss_quiet_mib is None
    assert found.rss_rounds == "[[2000,60.0],[4000,62.0],[6000,64.0],[8000,66.0]]"


def test_scatter_about_the_line_is_its_interval() -> None:
    figures = of_block(held(60.0, 63.0, 61.0, 64.0, 60.0), [], quiet=False).figures
    assert figures.rss_growth_lo is not None
    assert figures.rss_growth_hi is not None
    assert figures.rss_growth_lo < 0 < figures.rss_growth_hi


@pytest.mark.parametrize("rounds", [held(60.0), held(60.0, 61.0), held(60.0, None, 61.0, 62.0)])
def test_without_three_rounds_that_were_read_there_is_no_slope(rounds: list[Held]) -> None:
    figures = of_block(rounds, [60.0, 61.0], quiet=True).figures
    assert figures.rss_growth_kib_per_1000 is None
    assert figures.rss_growth_lo is None
    assert figures.rss_quiet_mib == rounds[-1].rss_mib
    assert figures.rss_per_worker == "60.0/61.0"


def test_a_server_that_answered_nothing_has_no_slope() -> None:
    rounds = [Held(0, mib) for mib in (60.0, 61.0, 62.0)]
    assert of_block(rounds, [], quiet=False).figures == Memory()


def test_the_interval_over_blocks_is_of_their_slopes() -> None:
    blocks = [Memory("1.0", 60.0, slope, slope - 1, slope + 1) for slope in (9.0, 11.0, 10.0)]
    found = together(blocks)
    assert found.rss_growth_kib_per_1000 == pytest.approx(10)
    assert found.rss_growth_hi == pytest.approx(10 + 4.303 / 3**0.5, abs=0.001)  # t of 2 degrees
    assert found.rss_quiet_mib == 60


def test_one_block_has_the_interval_of_its_rounds_and_none_has_nothing() -> None:
    one = Memory("1.0", None, 9.0, 8.0, 10.0)
    assert together([one]) == one
    assert together([Memory(), one]) == one
    assert together([]) == Memory()
