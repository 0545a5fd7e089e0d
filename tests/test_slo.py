import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.slo import PERCENTS, Slo, parse_slo


@pytest.mark.parametrize(
    ("text", "slo"),
    [
        ("p99<50ms", Slo(99, 0.05)),
        ("p99 < 50ms", Slo(99, 0.05)),
        ("  p50\t<  1.5s ", Slo(50, 1.5)),
        ("p90<2m", Slo(90, 120.0)),
        ("p95 <100ms", Slo(95, 0.1)),
    ],
)
def test_an_objective_is_a_percentile_under_a_duration(text: str, slo: Slo) -> None:
    assert parse_slo(text) == slo


SHAPE = 'expected an SLO such as "p99 < 50ms" (one of p50, p90, p95, p99, < and a duration), got'
DURATION = 'expected a duration such as "250ms", "2s" or "5m", got'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", f'{SHAPE} ""'),
        ("p99", f'{SHAPE} "p99"'),
        ("50ms", f'{SHAPE} "50ms"'),
        ("p99 > 50ms", f'{SHAPE} "p99 > 50ms"'),
        ("P99 < 50ms", f'{SHAPE} "P99 < 50ms"'),
        ("p99.9 < 50ms", f'{SHAPE} "p99.9 < 50ms"'),
        ("p98 < 50ms", f'{SHAPE} "p98 < 50ms"'),
        ("p٩٩ < 50ms", f'{SHAPE} "p٩٩ < 50ms"'),
        ("p99\n", f'{SHAPE} "p99\\n"'),
        ("p" + "9" * 100, f'{SHAPE} "p{"9" * 56}..."'),
        ("p99 <= 50ms", f'{DURATION} "= 50ms"'),
        ("p99 < 50", f'{DURATION} " 50"'),
        ("p99 < -1s", f'{DURATION} " -1s"'),
        ("p99 < 0ms", "expected a duration above zero, got 0"),
        ("p99 < 9999h", 'expected a duration of at most a year, got " 9999h"'),
    ],
)
def test_anything_else_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        parse_slo(text)
    assert str(caught.value) == said


@given(st.sampled_from(PERCENTS), st.floats(1e-6, 1e6))
def test_an_objective_reads_back_as_it_is_written(percent: int, limit_s: float) -> None:
    slo = Slo(percent, limit_s)
    assert parse_slo(str(slo)) == slo
