import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.capacity import Probe
from harness.probes import decode, encode
from tests.factories import a_probe

PROBES = st.builds(
    Probe,
    concurrency=st.integers(1, 10_000),
    requests=st.integers(0, 10**6),
    errors=st.integers(0, 10**6),
    rps=st.floats(0, 1e6),
    percentile_ns=st.none() | st.integers(1, 10**11),
    kept=st.booleans(),
    took_s=st.floats(0, 1e3),
)


def test_a_probe_is_seven_numbers() -> None:
    probes = [a_probe(4, rps=1234.567), a_probe(8, percentile_ns=None, kept=False)]
    assert encode(probes) == "[[4,400,0,1235.0,4.0,1,0.5],[8,400,0,6400.0,null,0,0.5]]"


def test_no_probes_are_no_text() -> None:
    assert encode([]) == ""
    assert decode("") == []


@given(st.lists(PROBES))
def test_what_was_read_is_written_as_it_was(probes: list[Probe]) -> None:
    once = decode(encode(probes))
    assert decode(encode(once)) == once
    assert [(p.concurrency, p.requests, p.errors, p.kept) for p in once] == [
        (p.concurrency, p.requests, p.errors, p.kept) for p in probes
    ]
    for before, after in zip(probes, once, strict=True):
        assert after.rps == pytest.approx(before.rps, rel=1e-3)


@pytest.mark.parametrize("text", ["{", "[1]", "[[1,2]]", "7", '[["a",1,0,1,"x",1,1]]'])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not probes|unexpected|expected|invalid"):
        decode(text)
