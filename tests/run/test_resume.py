"""A run that was interrupted goes on where it stopped, or says why it cannot."""

import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from harness import affinity, environment, plan
from harness import matrix as matrices
from harness.idle import awake
from harness.model import Setting
from harness.results import store
from harness.results.rebuild import rebuild
from harness.results.resolved import to_toml
from tests.factories import an_observation
from tests.run.conftest import Said, Start, document

Matrix = Callable[..., str]

STACK = {"name": "asyncpg", "adapter": "asyncpg_pool"}
GROUP = {"name": "g", "endpoint": ["users_get", "users_list"], "concurrency": [4], "pool_size": [2]}


def walk(folder: Path) -> list[tuple[Setting, int]]:
    """Return the blocks of a folder in the order they were measured."""
    return list(dict.fromkeys((row.key.setting, row.block) for row in store.read(folder)))


@pytest.fixture
def interrupted(start: Start, matrix: Matrix, tmp_path: Path) -> Callable[[signal.Signals], Path]:
    """Return a function that ends a run by a signal once it has a block, and gives its folder."""

    def end(number: signal.Signals) -> Path:
        blocks = tmp_path / "results" / "tiny" / "blocks.csv"
        run = start(matrix(stack=[STACK], group=[GROUP]))
        run.until(blocks.exists, "a first block")
        run.process.send_signal(number)
        _, complained = run.output()
        if number == signal.SIGINT:
            assert run.process.returncode == 130
            assert complained.splitlines()[-1].startswith("interrupted; results/tiny: ")
        assert run.left(within_s=5.0) == []
        return blocks.parent

    return end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_goes_on_where_it_stopped(
    start: Start, interrupted: Callable[..., Path], number: signal.Signals, tmp_path: Path
) -> None:
    folder = interrupted(number)
    before, done = (folder / store.BLOCKS).read_bytes(), walk(folder)
    tail = before[before[:-1].rindex(b"\n") + 1 :]
    with (folder / store.BLOCKS).open("ab") as file:  # as a machine that lost its power leaves it
        file.write(tail[: len(tail) // 2])
    run = start("tiny.toml", "--resume")
    _, complained = run.measured()
    assert f"results/tiny: resumed after {len(done)} blocks; 1 line" in complained
    assert (folder / store.BLOCKS).read_bytes().startswith(before)
    planned = matrices.read(tmp_path / "tiny.toml")
    found = walk(folder)
    assert found[: len(done)] == done
    assert {setting for setting, _ in found} == set(plan.settings(planned))
    assert sorted(block for _, block in found) == [1] * len(found)
    again = {each.name: each.read_bytes() for each in folder.rglob("*.*")}
    rebuild(folder)
    assert {each.name: each.read_bytes() for each in folder.rglob("*.*")} == again
    assert run.left() == []


def test_a_run_that_has_changed_is_refused_with_a_line_for_every_difference(
    said: Callable[..., Said], matrix: Matrix, tmp_path: Path
) -> None:
    name = matrix(run={"measure": "300ms", "budget": "1h", "max_blocks": 7})
    folder = left_by(matrices.parse(document(), "tiny"), tmp_path / name)
    before = {each.name: each.read_bytes() for each in folder.rglob("*.*")}
    processes = psutil.Process().children()
    refused = said(name, "--resume")
    assert (refused.code, refused.out) == (2, "")
    head, *changes = refused.err.splitlines()
    assert head.startswith("error: results/tiny: cannot be resumed, for this has changed since")
    assert changes[0].startswith("  packages asyncpg 0.1 -> ")
    assert changes[1:] == ["  matrix run measure 200ms -> 300ms"]
    assert {each.name: each.read_bytes() for each in folder.rglob("*.*")} == before
    assert psutil.Process().children() == processes


def left_by(measured: matrices.Matrix, path: Path) -> Path:
    """Return the folder of a run of `measured` here, with another asyncpg."""
    folder = path.parent / "results" / measured.name
    with awake(measured.run.awake) as idle:
        around = environment.describe(
            database=None,
            embedded=True,
            places=affinity.places_of(measured),
            idle=idle,
            seed=1,
            matrix_toml="",
            matrix=path,
            results=folder,
        )
    around["packages"]["asyncpg"] = "0.1"
    keys = plan.cells(measured)
    with store.opened(folder) as opened:
        beside = {"env.json": environment.to_json(around), "matrix.toml": to_toml(measured)}
        opened.record([an_observation(key) for key in keys], beside)
    return folder
