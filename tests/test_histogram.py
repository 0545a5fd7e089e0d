import base64
import math
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import histogram

LATENCIES = st.lists(st.integers(1, 10**12), min_size=1, max_size=300)


def of(latencies_ns: list[int]) -> histogram.Counts:
    return histogram.counts(np.array(latencies_ns, np.int64))


@given(LATENCIES, st.sampled_from([1, 50, 90, 95, 99, 100]))
def test_a_percentile_is_within_four_per_mille_of_the_nearest_rank(
    latencies_ns: list[int], percent: int
) -> None:
    exact_ms = sorted(latencies_ns)[math.ceil(len(latencies_ns) * percent / 100) - 1] / 1e6
    found_ms = histogram.percentile_ms(of(latencies_ns), percent)
    assert found_ms == pytest.approx(exact_ms, rel=0.004)


@given(LATENCIES)
def test_text_holds_every_count(latencies_ns: list[int]) -> None:
    counts = of(latencies_ns)
    assert counts.sum() == len(latencies_ns)
    text = histogram.encode(counts)
    assert histogram.decode(text).tolist() == counts.tolist()
    assert not set(text) & set(' ,"\r\n')  # a field of a CSV file, without quotes


@given(st.lists(LATENCIES, max_size=4))
def test_merging_is_counting_all_together(many: list[list[int]]) -> None:
    merged = histogram.together([histogram.encode(of(each)) for each in many])
    together = [latency for each in many for latency in each]
    assert merged.tolist() == (of(together).tolist() if together else [])


def test_percentiles_of_blocks_together_are_not_an_average_of_percentiles() -> None:
    quick, slow = of([1_000_000] * 99), of([100_000_000])
    merged = histogram.together([histogram.encode(quick), histogram.encode(slow)])
    assert histogram.percentile_ms(merged, 95) == pytest.approx(1.0, rel=0.004)
    assert histogram.percentile_ms(merged, 100) == pytest.approx(100.0, rel=0.004)


def test_no_latency_has_no_percentile() -> None:
    assert histogram.percentile_ms(histogram.together([]), 50) is None


def test_a_block_of_ten_thousand_takes_about_a_kilobyte() -> None:
    latencies_ns = np.random.default_rng(1).lognormal(16, 0.5, 10_000).astype(np.int64)
    assert len(histogram.encode(histogram.counts(latencies_ns))) < 1500


def test_groups_beyond_those_unpacked_at_once_are_what_each_is_alone() -> None:
    groups = [[histogram.encode(of([1 + 50 * each]))] * (each % 3) for each in range(250)]
    alone = [histogram.together(each).tolist() for each in groups]
    assert len(groups) > 2 * histogram.AT_ONCE
    assert [each.tolist() for each in histogram.together_each(groups)] == alone


@given(st.binary())
def test_base_85_is_that_of_the_standard_library(content: bytes) -> None:
    packed = zlib.compress(content)
    (unpacked,) = histogram._from_base85([base64.b85encode(packed).decode()])
    assert zlib.decompress(unpacked) == content


@pytest.mark.parametrize(
    "text", ["", "x", "~~~~~", "not a histogram", "é", histogram.encode(of([5]))[:-2]]
)
def test_other_text_is_refused(text: str) -> None:
    for texts in ([text], [histogram.encode(of([5])), text]):
        with pytest.raises(ValueError, match=r".+"):
            histogram.together(texts)
