"""Small builders of records: a test names what it is about, the rest is ordinary."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness import arrivals, histogram, observation
from harness.load.capacity import Probe
from harness.load.job import Arrivals, Slice, TargetAnswer
from harness.matrix import Matrix, parse
from harness.model import (
    Cost,
    Errors,
    Key,
    Latency,
    Machine,
    Observation,
    OpenLoopBlock,
    Wire,
    Work,
)

ENVIRONMENT: Mapping[str, Any] = {
    "affinity": {"app": [0], "database": [1], "load": [1]},
    "cpu": {"count": 2, "model": "A Processor"},
    "database": {"embedded": True, "settings": {"jit": "off"}, "version": "18.0"},
    "git": None,
    "harness": "0.1.0",
    "machine": {"arch": "x86_64", "kernel": "6.1", "memory_gib": 8, "system": "Linux"},
    "matrix_sha256": "00",
    "packages": {"asyncpg": "0.1", "psycopg": "3.1"},
    "python": "3.11.0",
    "seed": 1,
}


def a_document(**sections: Any) -> dict[str, Any]:
    """Return a matrix as parsed TOML: two stacks and one group unless `sections` say otherwise."""
    document: dict[str, Any] = {
        "stack": [
            {"name": "base", "adapter": "psycopg_pool"},
            {"name": "other", "adapter": "asyncpg_pool"},
        ],
        "group": [{"name": "g", "endpoint": ["users_get"]}],
    }
    return document | sections


def a_matrix(**sections: Any) -> Matrix:
    return parse(a_document(**sections), "m")


def a_key(**fields: Any) -> Key:
    ordinary: dict[str, Any] = {
        "group": "g",
        "endpoint": "users_get",
        "stack": "base",
        "adapter": "psycopg_pool",
        "lane": "idiomatic",
        "limit": None,
        "concurrency": 16,
        "rate": None,
        "pool_size": 10,
        "workers": 1,
        "rtt_ms": 0.0,
    }
    return Key(**ordinary | fields)


def some_errors(**counts: int) -> Errors:
    """Return errors by class: `some_errors(timeout=3)`."""
    return replace(observation.NO_ERRORS, **{f"err_{name}": n for name, n in counts.items()})


def a_cost(**fields: Any) -> Cost:
    ordinary: dict[str, Any] = {
        "app_cpu_us": 400.0,
        "db_cpu_us": 50.0,
        "load_cpu_us": 20.0,
        "rss_idle_mib": 60.0,
        "rss_end_mib": 64.0,
        "rss_peak_mib": 66.0,
        "pss_end_mib": 40.0,
        "db_pss_mib": 12.0,
        "connections": 10,
    }
    return Cost(**ordinary | fields)


def a_machine(**fields: Any) -> Machine:
    """Return a machine that did nothing beside the run."""
    ordinary: dict[str, Any] = {
        "foreign_cpu_cores": 0.02,
        "steal_pct": 0.1,
        "pressure_pct": 30.0,
        "load_average": 1.5,
        "probe_cpu_ratio": 1.01,
        "probe_wall_ratio": 1.02,
        "generator_late_p99_ms": 0.5,
    }
    return Machine(**ordinary | fields)


def a_work(**fields: Any) -> Work:
    """Return the work of a stack that reads one row in one transaction."""
    ordinary: dict[str, Any] = {
        "transactions": 1.01,
        "scans": 1.01,
        "rows": 1.01,
        "rows_least": 1.0,
        "rows_most": None,
    }
    return Work(**ordinary | fields)


def an_observation(key: Key | None = None, block: int = 1, **fields: Any) -> Observation:
    """Return a row with a number: 2,000 good answers in 2 s, each of about 16 ms."""
    latencies_ns = np.linspace(8e6, 24e6, 2000).astype(np.int64)
    ordinary: dict[str, Any] = {
        "schedule": "interleaved",
        "slices": 20,
        "slice_ms": 100.0,
        "window_s": 2.0,
        "requests": 2000,
        "rps": 1000.0,
        "mean_ms": 16.0,
        "latency": Latency(16.0, 22.4, 23.2, 23.8, 24.0),
        "by_class": observation.NO_ERRORS,
        "cost": a_cost(),
        "littles_law": 1.0,
        "drift": 1.0,
        "generator_busy": 0.3,
        "lag_p99_ms": 0.1,
        "outcome": "ok",
        "flags": "",
        "reason": "",
        "first_errors": "",
        "latencies": histogram.encode(histogram.counts(latencies_ns)),
        "machine": a_machine(),
        "work": a_work(),
        "open_loop": arrivals.CLOSED_BLOCK,
        "generators": 1,
        "wire": Wire(3.0),
    }
    return Observation(key=key or a_key(), block=block, **ordinary | fields)


def an_open_loop(
    latencies_ns: Sequence[int], lags_ns: Sequence[int], **fields: Any
) -> OpenLoopBlock:
    """Return what a block of an open loop adds: service times like `latencies_ns`, 2 s in all."""
    due = len(latencies_ns)
    arrivals_of = Arrivals(
        due=due,
        stretches_ns=2_000_000_000,
        service_ns=np.array(latencies_ns, "<i8").tobytes(),
        lags_ns=np.array(lags_ns, "<i8").tobytes(),
        waits_ns=b"",
        unsent=0,
    )
    answer = replace(an_answer(latencies_ns, []), arrivals=replace(arrivals_of, **fields))
    return arrivals.of_block(answer)


def blocks(rates: Sequence[float | None], key: Key | None = None) -> list[Observation]:
    """Return one row a rate, in blocks from 1; None is a block that failed."""
    return [
        observation.unmeasured(key or a_key(), number, "interleaved", "failed", "no start")
        if rate is None
        else an_observation(key, number, rps=rate)
        for number, rate in enumerate(rates, 1)
    ]


def a_slice(**fields: Any) -> Slice:
    ordinary: dict[str, Any] = {
        "start_ns": 0,
        "window_ns": 100_000_000,
        "requests": 10,
        "app_cpu_ns": 50_000_000,
        "db_cpu_ns": 10_000_000,
        "load_cpu_ns": 5_000_000,
    }
    return Slice(**ordinary | fields)


def an_answer(
    latencies_ns: Sequence[int], slices: Sequence[Slice], **errors: tuple[int, str]
) -> TargetAnswer:
    """Return what a generator said of one target; `errors` are class=(count, first message)."""
    return TargetAnswer(
        name="base",
        latencies_ns=np.array(latencies_ns, dtype="<i8").tobytes(),
        slices=tuple(slices),
        errors={name: count for name, (count, _) in errors.items()},
        messages={name: message for name, (_, message) in errors.items()},
        reconnects=0,
        warmup_median_ns=None,
        answered=len(latencies_ns),
        failed=sum(count for count, _ in errors.values()),
    )


def a_probe(concurrency: int = 1, **fields: Any) -> Probe:
    """Return a probe that kept its SLO."""
    ordinary: dict[str, Any] = {
        "requests": 400,
        "errors": 0,
        "rps": 800.0 * concurrency,
        "percentile_ns": 4_000_000,
        "kept": True,
        "took_s": 0.5,
    }
    return Probe(concurrency, **ordinary | fields)
