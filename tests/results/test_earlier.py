"""What of an earlier run's folder can be gone on with."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness import environment, plan
from harness.errors import BadInput
from harness.matrix import Matrix
from harness.model import Observation
from harness.results import earlier, store
from harness.results.resolved import to_toml
from tests.factories import ENVIRONMENT, a_key, a_matrix, an_observation

MATRIX = a_matrix(run={"ceilings": False})


def a_block(number: int) -> list[Observation]:
    return [an_observation(key, number) for key in plan.cells(MATRIX)]


def left(
    folder: Path, blocks: Sequence[Sequence[Observation]], matrix: Matrix = MATRIX, more: str = ""
) -> Path:
    """Write `blocks`, and `more` behind them."""
    beside = {"env.json": environment.to_json(ENVIRONMENT), "matrix.toml": to_toml(matrix)}
    with store.opened(folder) as opened:
        for rows in blocks:
            opened.record(rows, beside)
    with (folder / store.BLOCKS).open("a") as file:
        file.write(more)
    return folder


def found(folder: Path) -> tuple[list[int], int, int]:
    """Return the blocks of `folder`'s rows, the bytes they take, and the lines after them."""
    blocks = earlier.blocks(folder, MATRIX)
    return [row.block for row in blocks.observations], blocks.size, blocks.unfinished


def test_whole_blocks_are_kept_with_all_their_bytes(tmp_path: Path) -> None:
    folder = left(tmp_path, [a_block(1), a_block(2)])
    assert found(folder) == ([1, 1, 2, 2], (folder / store.BLOCKS).stat().st_size, 0)


@pytest.mark.parametrize(
    ("rows", "more", "unfinished"),
    [
        ([], "g,users_get,ba", 1),
        (a_block(2)[:1], "", 1),
        (a_block(2)[:1], "g,users_get,other", 2),
        (a_block(2)[1:], "", 1),
    ],
)
def test_a_block_that_was_being_written_is_left_out_whole(
    tmp_path: Path, rows: list[Observation], more: str, unfinished: int
) -> None:
    size = (left(tmp_path / "a", [a_block(1)]) / store.BLOCKS).stat().st_size
    folder = left(tmp_path / "b", [a_block(1), rows] if rows else [a_block(1)], more=more)
    assert found(folder) == ([1, 1], size, unfinished)


def test_what_is_left_out_is_cut_off_by_the_next_block_and_not_before(tmp_path: Path) -> None:
    folder = left(tmp_path, [a_block(1), a_block(2)[:1]], more="g,users")
    before = (folder / store.BLOCKS).read_bytes()
    with store.opened(folder) as opened:
        blocks = earlier.blocks(folder, MATRIX)
        opened.resume(blocks.observations, blocks.size)
        assert (folder / store.BLOCKS).read_bytes() == before
        opened.record(a_block(2))
        opened.record(a_block(3))
        assert opened.observations == store.read(folder)
        assert opened.blocks == 3
    assert [row.block for row in store.read(folder)] == [1, 1, 2, 2, 3, 3]
    assert (folder / store.BLOCKS).read_bytes().startswith(before[: blocks.size])


def test_a_folder_without_blocks_has_no_earlier_run(tmp_path: Path) -> None:
    assert earlier.read(tmp_path) is None


@pytest.mark.parametrize("name", ["env.json", "matrix.toml"])
@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read: No such file"), (b"\xff{", r"not (JSON|the matrix of a run): ")],
)
def test_how_it_was_made_must_be_known(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    folder = left(tmp_path, [a_block(1)])
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(BadInput, match=f"{name}: {said}"):
        earlier.read(folder)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"group,rps\n", r"its columns are not those of this version"),
        (b"\xff\xfe", "not UTF-8 text; start over without --resume"),
        (b"1,2\n", r"line 4: expected \d+ fields, got 2; start over without --resume"),
    ],
)
def test_a_file_that_is_not_as_it_was_written_is_refused(
    tmp_path: Path, content: bytes, said: str
) -> None:
    folder = left(tmp_path, [a_block(1)])
    whole = (folder / store.BLOCKS).read_bytes() if content.startswith(b"1") else b""
    (folder / store.BLOCKS).write_bytes(whole + content)
    with pytest.raises(BadInput, match=said):
        earlier.blocks(folder, MATRIX)


def test_cells_of_another_matrix_are_refused(tmp_path: Path) -> None:
    folder = left(tmp_path, [[an_observation(a_key(stack="third"))]])
    with pytest.raises(BadInput, match="holds third on users_get in g, a cell that the matrix"):
        earlier.blocks(folder, MATRIX)
