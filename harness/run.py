"""The main job, top to bottom: database, blocks, records, report."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import affinity, block, environment, generators, order, plan, resume
from harness.bench import Bench, prepared
from harness.budget import Budget
from harness.checks import checked
from harness.findings import Findings, precise
from harness.idle import awake
from harness.ledger import Ledger
from harness.matrix import Matrix
from harness.model import Observation, Setting
from harness.naming import setting_text
from harness.origin import NOWHERE_ELSE, Origin
from harness.processes import Processes
from harness.progress import Progress
from harness.results import render
from harness.results.earlier import Earlier
from harness.results.resolved import to_toml
from harness.results.store import Store
from harness.roundtrips import RoundTrips
from harness.upkeep import Upkeep


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: what it found and where, how long it took, how much of that was load."""

    findings: Findings
    blocks: int
    wall_s: float
    load_s: float
    why: str
    environment: Mapping[str, Any]


async def run(
    matrix: Matrix,
    path: Path,
    store: Store,
    processes: Processes,
    progress: Progress,
    opening: str,
    earlier: Earlier | None = None,
    origins: Mapping[str, Origin] = NOWHERE_ELSE,
) -> Outcome:
    """Measure `matrix` until it is precise enough or its budget is spent; record every block.

    `opening` is said once the database is ready; `earlier` is how the blocks were made that
    are in `store` already; `origins` are those of the sides of `ab`. Raises `HarnessError`
    when the database or the generator fails; what was recorded before stays.
    """
    began = time.monotonic()
    places = affinity.places_of(matrix)
    processes.keep_to(places.load)  # drawing a table must not cost the app its CPU
    with awake(matrix.run.awake) as idle:
        async with prepared(matrix, processes, places, progress.doing, origins) as bench:
            progress.saying(opening)
            toml = to_toml(matrix)
            described = environment.describe(
                database=bench.facts,
                embedded=matrix.database.dsn is None,
                places=places,
                idle=idle,
                seed=matrix.run.seed,
                matrix_toml=toml,
                matrix=path,
                results=store.folder,
                origins=origins,
            )
            if earlier is not None:
                resume.require_same(earlier, described, matrix, path)
            fixed = {"env.json": environment.to_json(described), "matrix.toml": toml}
            return await _measure(bench, store, progress, described, fixed, began)


async def _measure(
    bench: Bench,
    store: Store,
    progress: Progress,
    described: Mapping[str, Any],
    fixed: Mapping[str, str],
    began: float,
) -> Outcome:
    """Walk the plan, one block after another, until a reason to stop."""
    matrix = bench.matrix
    budget, trips, upkeep = Budget(matrix, began), RoundTrips(bench), Upkeep()
    ledger, blocks, why = Ledger(matrix, store), 0, "every setting had its most blocks"
    try:
        for setting in order.blocks(matrix, store):
            if not budget.allows(setting):
                why = "the budget was spent"
                break
            progress.beginning(
                setting_text(setting, plan.settings(matrix)),
                budget.standing(store.blocks + 1, setting),
            )
            await trips.count(setting)
            with budget.spending(setting):
                rows = await _block(bench, store, setting)
            rows = trips.credited(setting, rows)
            budget.loaded(rows)
            store.record(rows, fixed)
            ledger.add(setting)
            blocks += 1
            if upkeep.due:
                with upkeep.spending():
                    store.publish({**fixed, **render.files(matrix, ledger.findings, described)})
            progress.found(ledger.findings, setting)
        else:
            if all(precise(matrix, each) for each in ledger.findings.by_setting.values()):
                why = "every ratio is as precise as asked"
    finally:
        if store.blocks:  # with the plots: to draw them after each block takes too long
            found = ledger.findings
            store.forget()
            files = render.files(matrix, found, described, draw=True)
            store.publish({**fixed, **files})
    took_s = time.monotonic() - began
    return Outcome(ledger.findings, blocks, took_s, budget.load_s, why, described)


async def _block(bench: Bench, store: Store, setting: Setting) -> list[Observation]:
    """Measure the next block of `setting`."""
    matrix = bench.matrix
    number = 1 + max((row.block for row in store.of(setting)), default=0)
    count = generators.processes(
        matrix.run.load,
        setting,
        store.of(setting),
        affinity.load_cpus(bench.places),
        searching=matrix.group(setting.group).slo is not None,
    )
    return [checked(row) for row in await block.measure(bench, setting, number, count)]
