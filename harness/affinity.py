"""Which CPUs the app, the generator and the database may use."""

import os
from dataclasses import dataclass, replace

from harness.errors import BadInput
from harness.matrix import Affinity, Matrix, Run

Cpus = frozenset[int]


@dataclass(frozen=True, slots=True)
class Places:
    """The CPUs of each part; None for wherever the kernel likes."""

    app: Cpus | None
    load: Cpus | None
    database: Cpus | None


ANYWHERE = Places(None, None, None)


def usable() -> Cpus | None:
    """Return the CPUs this process may use, None where the platform cannot pin."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def places(run: Run, cpus: Cpus | None) -> Places:
    """Decide the places of a run on `cpus`. Raises `BadInput` for CPUs that are not there.

    "auto": the app gets the first half for itself, generator and database share the
    rest. They take turns anyhow (one waits for the other), the app must not wait for them.
    """
    wanted = run.affinity
    if isinstance(wanted, Affinity):
        return _given(wanted, cpus)
    if wanted == "off" or cpus is None or len(cpus) < 2:
        return ANYWHERE
    ordered = sorted(cpus)
    half = len(ordered) // 2
    app, rest = frozenset(ordered[:half]), frozenset(ordered[half:])
    return Places(app, rest, rest)


def places_of(matrix: Matrix) -> Places:
    """Return the places of a run of `matrix` here. Raises `BadInput` as `places` does."""
    found = places(matrix.run, usable())
    # A server that we did not start runs where it likes.
    return found if matrix.database.dsn is None else replace(found, database=None)


def load_cpus(of: Places) -> int:
    """Return how many CPUs generators may keep busy; half of all where nothing is pinned."""
    return max(1, (os.cpu_count() or 1) // 2) if of.load is None else len(of.load)


def _given(wanted: Affinity, cpus: Cpus | None) -> Places:
    if cpus is None:
        raise BadInput('run.affinity: this platform cannot pin processes; set it to "off"')
    for part in ("app", "load", "database"):
        missing = sorted(set(getattr(wanted, part)) - cpus)
        if missing:
            raise BadInput(
                f"run.affinity.{part}: CPU {missing[0]} is not usable here "
                f"(usable: {', '.join(map(str, sorted(cpus)))})"
            )
    return Places(frozenset(wanted.app), frozenset(wanted.load), frozenset(wanted.database))
