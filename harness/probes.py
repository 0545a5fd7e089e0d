"""The probes of a search for capacity as one field of `blocks.csv`, and back.

A JSON list with a list for each probe, the verifications at the end among them:
connections, good answers, errors, req/s, the SLO's percentile in ms (null without an
answer), 1 if the SLO was kept, else 0, and the seconds it took.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from harness.load.capacity import Probe


def encode(probes: Sequence[Probe]) -> str:
    """Return `probes` as text, with four digits of what was measured; `decode` undoes it."""
    return orjson.dumps([_fields(each) for each in probes]).decode() if probes else ""


def decode(text: str) -> list[Probe]:
    """Return the probes that `encode` wrote. Raises ValueError for anything else."""
    try:
        return [_probe(*each) for each in orjson.loads(text)] if text else []
    except TypeError as error:
        raise ValueError(f"not probes of a search: {error}") from None


def _fields(probe: Probe) -> list[Any]:
    return [
        probe.concurrency,
        probe.requests,
        probe.errors,
        _short(probe.rps),
        None if probe.percentile_ns is None else _short(probe.percentile_ns / 1e6),
        int(probe.kept),
        _short(probe.took_s),
    ]


def _probe(
    concurrency: int,
    requests: int,
    errors: int,
    rps: float,
    percentile_ms: float | None,
    kept: int,
    took_s: float,
) -> Probe:
    percentile_ns = None if percentile_ms is None else round(percentile_ms * 1e6)
    return Probe(concurrency, requests, errors, rps, percentile_ns, bool(kept), took_s)


def _short(value: float) -> float:
    return float(f"{value:.4g}")
