"""A stack that stops answering under load ends on time, and leaves nothing to the next."""

import csv
from collections.abc import Callable
from pathlib import Path

from tests.run.conftest import Own, Start, as_measured

Matrix = Callable[..., str]

STUCK = """
from contextlib import asynccontextmanager

import asyncpg
from adapters import asyncpg_pool
from adapters.asyncpg_pool import Options


class Stuck:
    def __init__(self, right, dsn):
        self._right, self._dsn, self._seen = right, dsn, set()

    async def get_user(self, user_id):
        if user_id in self._seen:  # once each is asked for by the verification
            connection = await asyncpg.connect(self._dsn)
            await connection.execute("SELECT pg_sleep(600)")
        self._seen.add(user_id)
        return await self._right.get_user(user_id)


@asynccontextmanager
async def connect(dsn, options):
    async with asyncpg_pool.connect(dsn, options) as right:
        yield Stuck(right, dsn)
"""


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_stack_that_hangs_has_its_errors_and_the_next_one_starts_clean(
    start: Start, matrix: Matrix, tmp_path: Path, own: Own
) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "stuck.py").write_text(STUCK)
    stacks = [
        {"name": "stuck", "adapter": "odd.stuck"},
        {"name": "asyncpg", "adapter": "asyncpg_pool"},
    ]
    alone = {"schedule": "sequential", "timeout": "500ms"}
    # Every wait in it is 600 s long: that it ends at all is what is tested.
    run = start(matrix(stack=stacks, run=alone), "--dsn", own.dsn)
    run.measured()
    folder = tmp_path / "results" / "tiny"
    cells = {row["stack"]: row for row in rows(folder / "cells.csv")}
    stuck, well = cells["stuck"], cells["asyncpg"]
    if as_measured(stuck):
        assert (stuck["rps"], stuck["requests"]) == ("0", "0")
    assert int(stuck["err_timeout"]) > 0
    assert int(stuck["errors"]) == int(stuck["err_timeout"])
    assert "no answer within 0.5 s" in (folder / "report.md").read_text()
    as_measured(well)
    assert well["errors"] == "0"
    assert own.backends() == []
    assert run.left() == []
