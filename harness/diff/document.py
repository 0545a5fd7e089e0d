"""What changed, as JSON: keys are column names of `cells.csv` and `pairs.csv`. Pure."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson

from harness.columns import columns, values
from harness.diff.absolutes import Absolute
from harness.diff.changes import Change
from harness.diff.compare import Difference
from harness.diff.failures import Failures
from harness.diff.welch import Mean, Shift
from harness.fingerprint import Other
from harness.model import Key

KEY = columns(Key)


def to_json(difference: Difference, failed: Sequence[str]) -> str:
    """Return one JSON object; `failed` are the lines of what `--fail-on` met."""
    document = {
        "a": difference.a,
        "b": difference.b,
        "same_blocks": difference.same_blocks,
        "comparable": not difference.obstacles,
        "tried": [_other(each) for each in difference.tried],
        "obstacles": [_other(each) for each in difference.obstacles],
        "pairs": [change_of(each) for each in difference.changes],
        "means": [
            {"endpoint": endpoint, "metric": metric, "ratio": _exp(size)}
            for (metric, endpoint), size in difference.means.items()
        ],
        "absolutes": [_absolute(each) for each in difference.absolutes],
        "cells": [_failures(each) for each in difference.failures],
        "new": [_key(key) for key in difference.new],
        "gone": [_key(key) for key in difference.gone],
        "failed": list(failed),
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def _key(key: Key) -> dict[str, Any]:
    return dict(zip(KEY, values(key), strict=True))


def change_of(change: Change) -> dict[str, Any]:
    """`ratio` to `hi`: B's ratio to the reference over A's; `a` and `b` hold these."""
    return {
        **_key(change.key),
        "baseline": change.baseline,
        "reference": change.reference,
        "metric": change.metric,
        "a": ratio_of(change.a),
        "b": ratio_of(change.b),
        **_shift(change.shift),
        "proven": change.proven,
        "verdict": change.verdict,
    }


def _absolute(row: Absolute) -> dict[str, Any]:
    return {
        **_key(row.key),
        "metric": row.measure,
        "a": _exp(row.a.value),
        "b": _exp(row.b.value),
        **_shift(row.shift),
        "proven": row.proven,
    }


def _failures(row: Failures) -> dict[str, Any]:
    return {
        **_key(row.key),
        "a": {"outcome": row.outcome_a, "error_pct": row.error_pct_a},
        "b": {"outcome": row.outcome_b, "error_pct": row.error_pct_b},
        "rose": row.rose,
        "fell": row.fell,
    }


def ratio_of(found: Mean | None) -> dict[str, Any] | None:
    """Return a ratio with its interval, and of how many blocks it is."""
    if found is None:
        return None
    return {"blocks": found.n, **_ratio(found.value, found.half_width)}


def _shift(found: Shift | None) -> dict[str, Any]:
    if found is None:
        return {"ratio": None, "lo": None, "hi": None, "p": None}
    p = found.p
    return {
        **_ratio(found.size, found.half_width),
        "p": None if p is None else float(f"{p:.3g}"),
    }


def _ratio(size: float, half: float | None) -> dict[str, Any]:
    if half is None:
        return {"ratio": _exp(size), "lo": None, "hi": None}
    return {"ratio": _exp(size), "lo": _exp(size - half), "hi": _exp(size + half)}


def _exp(log: float) -> float | None:
    """Return the number of that logarithm, to six digits; None past what a double holds."""
    value = math.exp(min(log, 709.0))
    return float(f"{value:.6g}") if log < 700 else None


def _other(other: Other) -> dict[str, Any]:
    return asdict(other)
