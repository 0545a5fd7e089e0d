"""One run that has everything a report must cope with, as fixed observations."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import orjson

from harness import ceilings, growth, histogram
from harness.checks import checked
from harness.connections import of_block
from harness.database.sampling import Seen
from harness.growth import Held
from harness.load.capacity import Probe
from harness.matrix import Matrix
from harness.model import (
    Capacity,
    CapacityLimit,
    ConnectionsBlock,
    Distance,
    Endpoint,
    Key,
    Latency,
    Observation,
    Wire,
)
from harness.observation import NO_COST, NO_LATENCY, unmeasured
from harness.probes import encode
from harness.waits import Waits
from tests.factories import (
    a_cost,
    a_key,
    a_machine,
    a_matrix,
    a_work,
    an_observation,
    an_open_loop,
    some_errors,
)

ADAPTERS = {
    "plain": "psycopg_pool",
    "quick": "asyncpg_pool",
    "alike": "psycopg_pool",
    "noisy": "sqlalchemy_async",
    "broken": "sqlalchemy_sync",
    "lean": "asyncpg_pool",
    "lean-too": "psycopg_pool",
}
ROUND_TRIPS = {"asyncpg_pool": 2.0, "psycopg_pool": 3.0}
"""Of those that could be counted."""

MATCHED = ("lean", "lean-too")
IDIOMATIC = [name for name in ADAPTERS if name not in MATCHED]

HOSTILE = 'relation "a|b" does not exist\r\nLINE 1: SELECT <script>alert(1)</script> & more\n'
"""What no table may break on: a pipe, line ends, HTML."""


IDLE = a_work(transactions=0.0, scans=0.0, rows=0.0, rows_least=10.0)
"""Of a stack that answered from its memory."""


def the_matrix() -> Matrix:
    return a_matrix(
        run={"name": "golden", "baseline": "plain", "plots": False},
        stack=[
            {
                "name": name,
                "adapter": adapter,
                "lane": "matched" if name in MATCHED else "idiomatic",
            }
            for name, adapter in ADAPTERS.items()
        ],
        group=[
            {"name": "idiomatic", "endpoint": ["users_get", "books_list"], "stacks": IDIOMATIC},
            {
                "name": "matched",
                "endpoint": ["users_list"],
                "stacks": list(MATCHED),
                "limit": [10, 100],
            },
            {"name": "alone", "endpoint": ["users_insert"], "stacks": ["quick"]},
            {
                "name": "steady",
                "endpoint": ["users_get"],
                "stacks": ["plain", "quick", "noisy", "broken"],
                "rate": [800],
            },
            {
                "name": "capacity",
                "endpoint": ["users_get"],
                "stacks": ["plain", "quick", "alike", "broken"],
                "slo": "p99<50ms",
            },
            {
                "name": "far",
                "endpoint": ["users_get"],
                "stacks": ["plain", "quick"],
                "rtt": ["5ms"],
            },
        ],
    )


def cell(group: str, endpoint: Endpoint, stack: str, limit: int | None = None, **axes: Any) -> Key:
    return a_key(
        group=group,
        endpoint=endpoint,
        stack=stack,
        adapter=ADAPTERS[stack],
        lane="matched" if stack in MATCHED else "idiomatic",
        limit=limit,
        **axes,
    )


def row(key: Key, block: int, rps: float, app_cpu_us: float, **fields: Any) -> Observation:
    """Return a row whose numbers agree with each other: 2 s at `rps`, closed loop."""
    requests = int(2 * rps)
    mean_ms = 1000 * key.concurrency / rps
    latencies_ns = (np.linspace(0.5, 1.5, requests) * mean_ms * 1e6).astype(np.int64)
    p50, p90, p95, p99 = (mean_ms * (0.5 + share) for share in (0.5, 0.9, 0.95, 0.99))
    ordinary: dict[str, Any] = {
        "requests": requests,
        "rps": requests / 2.0000001,  # more digits than are written
        "mean_ms": mean_ms,
        "latency": Latency(p50, p90, p95, p99 if requests >= 1000 else None, 1.5 * mean_ms),
        "cost": a_cost(app_cpu_us=app_cpu_us, db_cpu_us=app_cpu_us / 7),
        "latencies": histogram.encode(histogram.counts(latencies_ns)),
        "wire": Wire(ROUND_TRIPS.get(key.adapter)),
    }
    return checked(an_observation(key, block, **ordinary | fields))


def the_observations() -> list[Observation]:
    return [
        *_users_get(),
        *_books_list(),
        *_ceilings(),
        *_matched(),
        *_alone(),
        *_steady(),
        *_capacity(),
        *_far(),
    ]


def _users_get() -> Iterator[Observation]:
    """Four blocks: a baseline, a faster one, a tie, an unclear one, and one with errors."""
    drift = (1.0, 1.1, 0.95, 1.05)
    scatter = (0.8, 1.25, 1.02, 0.9)
    for block, (machine, luck) in enumerate(zip(drift, scatter, strict=True), 1):
        rate = 1500.0 * machine
        yield row(cell("idiomatic", "users_get", "plain"), block, rate, 400.0)
        yield row(cell("idiomatic", "users_get", "quick"), block, 1.3 * rate + block, 290.0 + block)
        yield row(cell("idiomatic", "users_get", "alike"), block, rate + 2 * block, 401.0 - block)
        yield row(cell("idiomatic", "users_get", "noisy"), block, rate * luck, 500.0 / luck)
        yield row(
            cell("idiomatic", "users_get", "broken"),
            block,
            rate / 2,
            800.0,
            by_class=some_errors(database=120, timeout=3),
            first_errors=orjson.dumps({"database": HOSTILE, "timeout": "none in 10 s"}).decode(),
        )


def _books_list() -> Iterator[Observation]:
    """What has no number, what has an unfinished one, and what has only errors."""
    keys = {name: cell("idiomatic", "books_list", name, limit=20) for name in IDIOMATIC}
    yield row(keys["plain"], 1, 400.0, 1500.0, drift=1.2)
    yield checked(replace(row(keys["quick"], 1, 520.0, 1100.0), littles_law=0.4))
    yield unmeasured(keys["alike"], 1, "interleaved", "failed", f"RuntimeError: {HOSTILE}")
    yield unmeasured(keys["noisy"], 1, "interleaved", "unsupported", "no books here")
    yield checked(
        an_observation(
            keys["broken"],
            1,
            requests=0,
            rps=0.0,
            mean_ms=None,
            latency=NO_LATENCY,
            latencies="",
            by_class=some_errors(pool_timeout=64),
            first_errors='{"pool_timeout":"QueuePool limit of size 5 overflow 10 reached"}',
            cost=a_cost(app_cpu_us=None, db_cpu_us=None, load_cpu_us=None),
            littles_law=None,
            drift=None,
        )
    )


STEADILY = "gh" * 16
MOODS = (1.0, 0.97, 1.02)
SLOWER_AND_SLOWER = "ZYXWVUTSRQPONMLK" + "KLMNOPQRSTUVWXYZ"


def _matched() -> Iterator[Observation]:
    """A limit axis, in the other lane; a ratio that wanders; one block of a cell was invalid."""
    for limit, rate in ((10, 900.0), (100, 700.0)):
        for block in (1, 2, 3):
            mine, others = (cell("matched", "users_list", each, limit) for each in MATCHED)
            yield row(mine, block, rate + block, 600.0, parts=STEADILY)
            luck, went = (1.0, STEADILY) if limit == 10 else (MOODS[block - 1], SLOWER_AND_SLOWER)
            other = row(others, block, 0.8 * rate * luck, 750.0 / luck, parts=went)
            bad = block == 2 and limit == 10
            yield checked(replace(other, generator_busy=0.99, work=IDLE)) if bad else other


def _ceilings() -> Iterator[Observation]:
    """Both in one setting, one without a pgbench in another; the other settings had none."""
    for block in (1, 2, 3, 4):
        noop, tool = a_ceiling("users_get", "noop"), a_ceiling("users_get", "pgbench")
        yield ceilings.what_applies(row(noop, block, 4500.0 + 50 * block, 90.0))
        cost = replace(NO_COST, db_cpu_us=40.0, load_cpu_us=15.0, connections=10)
        yield ceilings.what_applies(row(tool, block, 9000.0 - 50 * block, 0.0, cost=cost))
    yield ceilings.what_applies(row(a_ceiling("books_list", "noop", 20), 1, 4500.0, 90.0))
    missing = a_ceiling("books_list", "pgbench", 20)
    yield unmeasured(missing, 1, "interleaved", "unsupported", "no pgbench on the PATH")


def a_ceiling(endpoint: Endpoint, name: str, limit: int | None = None) -> Key:
    return a_key(
        group="idiomatic", endpoint=endpoint, stack=name, adapter=name, lane="matched", limit=limit
    )


def _alone() -> Iterator[Observation]:
    """A stack that is compared with none, one server at a time."""
    for block in (1, 2):
        key = cell("alone", "users_insert", "quick")
        # A neighbour in the first of them; no hypervisor that tells what it gave to others.
        machine = a_machine(foreign_cpu_cores=0.7 if block == 1 else 0.0, steal_pct=None)
        rate = 1200.0 + 10 * block
        fields = {"schedule": "sequential", "machine": machine, "connections": watched(block)}
        fields["memory"] = growth.of_block(rounds(block), [30.2, 31.0], quiet=True)
        yield row(key, block, rate, 333.3, **fields)


def rounds(block: int) -> list[Held]:
    """Return three rounds of a server that grows, in the second block by more."""
    return [Held(2000 * each, 60 + 0.1 * block * each) for each in (1, 2, 3)]


def watched(block: int) -> ConnectionsBlock:
    """Return what was seen of ten connections; in the second block the workers were uneven."""
    seen = Seen()
    seen.add([("active", "", 4 + block), ("idle", "COMMIT;", 6 - block)])
    seen.add([("idle in transaction", "", 1), ("idle", "RESET ALL", 2)])
    waited = Waits(histogram.counts(np.linspace(1e6, block * 4e6, 500).astype(np.int64)))
    return of_block(seen, waited, (8, 8) if block == 1 else (5, 11))


def _steady() -> Iterator[Observation]:
    """An open loop: one sooner, one that did not keep the rate, one that failed."""
    keys = {
        name: cell("steady", "users_get", name, rate=800.0)
        for name in ("plain", "quick", "noisy", "broken")
    }
    for block in (1, 2, 3):
        yield scheduled(keys["plain"], block, 12.0 + 0.01 * block)
        yield scheduled(keys["quick"], block, 6.0)
        yield scheduled(keys["noisy"], block, 400.0, rps=500.0, late=1400)
        yield unmeasured(keys["broken"], block, "interleaved", "failed", "no start")


def scheduled(
    key: Key, block: int, p99_ms: float, rps: float = 800.0, late: int = 0
) -> Observation:
    """Return a row of 1,600 requests due in 2 s, with latencies up to about `p99_ms`."""
    latencies_ns = (np.linspace(0.1, 1.0, 1600) * p99_ms * 1e6).astype(np.int64)
    p50, p90, p95, p99, most = np.percentile(latencies_ns, [50, 90, 95, 99, 100]) / 1e6
    lags_ns = np.linspace(20_000, 400_000, 1600 - late).astype(np.int64)
    return checked(
        an_observation(
            key,
            block,
            requests=1600,
            rps=rps,
            window_s=1600 / rps,
            mean_ms=0.55 * p99_ms,
            latency=Latency(p50, p90, p95, p99, most),
            littles_law=None,
            drift=None,
            latencies=histogram.encode(histogram.counts(latencies_ns)),
            open_loop=an_open_loop(
                (0.9 * latencies_ns).astype(np.int64).tolist(),
                lags_ns.tolist(),
                waits_ns=np.full(late, 200 * 10**6, "<i8").tobytes(),
            ),
        )
    )


def _far() -> Iterator[Observation]:
    """Three blocks of two at a distance, one of them at another than was asked for."""
    for block, measured_ms in enumerate((5.02, 5.81, 4.97), 1):
        distance = Distance(measured_ms, measured_ms + 0.4)
        for name, rate in (("plain", 600.0 + block), ("quick", 700.0)):
            yield row(
                cell("far", "users_get", name, rtt_ms=5.0), block, rate, 300.0, distance=distance
            )


def _capacity() -> Iterator[Observation]:
    """Searches that the SLO ended, that ran out of connections or of time, and in vain."""
    keys = {
        name: cell("capacity", "users_get", name, concurrency=256)
        for name in ("plain", "quick", "alike", "broken")
    }
    for block, machine in enumerate((1.0, 1.1, 0.95), 1):
        rate = 1500.0 * machine
        yield capable(keys["plain"], block, rate, 40 + block, "slo")
        yield capable(keys["quick"], block, 2.0 * rate + block, 256, "connections")
        alike = capable(keys["alike"], block, rate + 2 * block, 48, "time" if block == 2 else "slo")
        never = unmeasured(keys["alike"], block, "interleaved", "failed", GAVE_UP)
        yield never if block == 3 else alike
        tried = (Probe(1, 300, 0, 12.5, 80_000_000, False, 24.0),) * 2
        yield replace(
            unmeasured(keys["broken"], block, "interleaved", "failed", GAVE_UP),
            capacity=Capacity(capacity_probes=encode(tried)),
        )


GAVE_UP = "slo: p99 80 ms at 1 connection, asked for < 50ms"


def capable(
    key: Key, block: int, rps: float, concurrency: int, limit: CapacityLimit
) -> Observation:
    """Return a row measured at capacity, and how a search may have come there."""
    tried = [
        Probe(
            n, 300, 0, rps * min(1.0, n / 32), 45_000_000 * n // concurrency, n <= concurrency, 0.5
        )
        for n in (1, 2, 4, 8, 16, 32, 64, 128, 256)
        if n <= 2 * concurrency
    ]
    verified = Probe(concurrency, int(2 * rps), 0, rps, 45_000_000 + block, True, 2.0)
    probes = encode([*tried, verified])
    capacity = Capacity(rps / 1.00000005, concurrency, limit, probes)
    at_capacity = row(replace(key, concurrency=concurrency), block, rps, 400.0)
    return replace(at_capacity, key=key, capacity=capacity)
