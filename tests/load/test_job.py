from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.load.http import request_bytes
from harness.load.job import (
    Answer,
    Job,
    PgbenchTarget,
    Request,
    Searched,
    Seat,
    Slice,
    Target,
    TargetAnswer,
)
from harness.slo import Slo
from tests.factories import a_probe

BYTES = st.binary(max_size=40)
REQUESTS = st.builds(Request, raw=BYTES, status=st.integers(100, 599), body=st.none() | BYTES)
TARGETS = st.builds(
    Target,
    name=st.text(max_size=10),
    host=st.just("127.0.0.1"),
    port=st.integers(1, 65535),
    connections=st.integers(1, 100),
    requests=st.lists(REQUESTS, max_size=3).map(tuple),
    pids=st.lists(st.integers(1, 99999), max_size=3).map(tuple),
    share=st.floats(0.01, 1.0),
)
PGBENCHES = st.builds(
    PgbenchTarget,
    name=st.just("pgbench"),
    argv=st.lists(st.text(max_size=10), max_size=3).map(tuple),
    connections=st.integers(1, 100),
    folder=st.text(max_size=10),
    share=st.floats(0.01, 1.0),
)
NANOSECONDS = st.integers(0, 2**53)
SLICES = st.builds(
    Slice,
    start_ns=NANOSECONDS,
    window_ns=NANOSECONDS,
    requests=NANOSECONDS,
    app_cpu_ns=st.none() | NANOSECONDS,
    db_cpu_ns=st.none() | NANOSECONDS,
    load_cpu_ns=st.none() | NANOSECONDS,
)


@given(
    st.lists(TARGETS, max_size=3),
    st.lists(st.lists(st.integers(0, 9), max_size=3)),
    st.none() | PGBENCHES,
    st.none() | st.builds(Seat, st.booleans(), st.lists(st.integers(0, 99)).map(tuple)),
)
def test_a_job_survives_the_pipe(
    targets: list[Target],
    rounds: list[list[int]],
    pgbench: PgbenchTarget | None,
    seat: Seat | None,
) -> None:
    job = Job(
        timeout_s=10.0,
        slice_s=0.1,
        warmup_s=1.0,
        measure_s=2.0,
        targets=tuple(targets),
        rounds=tuple(tuple(each) for each in rounds),
        pgbench=pgbench,
        seat=seat,
        uncounted_pids=(7, 8),
    )
    searching = replace(job, slo=Slo(99, 0.05))
    assert Job.from_json(job.to_json()) == job
    assert Job.from_json(searching.to_json()) == searching


@given(st.lists(SLICES, max_size=3), BYTES)
def test_an_answer_survives_the_pipe(slices: list[Slice], latencies_ns: bytes) -> None:
    target = TargetAnswer(
        name="asyncpg",
        latencies_ns=latencies_ns,
        slices=tuple(slices),
        errors={"timeout": 1},
        messages={"timeout": "no answer in 10 s"},
        reconnects=1,
        warmup_median_ns=None,
        answered=5,
        failed=1,
    )
    probes = (a_probe(1), a_probe(2, percentile_ns=None))
    searched = replace(target, searched=Searched(probes, 1, "slo", ""))
    answer = Answer(slice_s=0.1, targets=(target, searched), lag_p99_ns=70_000, late_p99_ns=None)
    assert Answer.from_json(answer.to_json()) == answer


def test_a_request_with_a_body_says_how_long_it_is() -> None:
    assert request_bytes("POST", "/users", "127.0.0.1:80", b"{}") == (
        b"POST /users HTTP/1.1\r\nhost: 127.0.0.1:80\r\n"
        b"content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    )
