"""The folder of a run: what is on disk, and when."""

import csv
from pathlib import Path

import pytest

from harness.errors import BadInput, NothingMeasurable
from harness.model import Observation
from harness.results import store, tables
from tests.factories import a_key, an_observation

THIRD = 1000 / 3


def test_a_record_is_on_disk_when_it_returns(tmp_path: Path) -> None:
    with store.opened(tmp_path / "r") as opened:
        opened.record([an_observation(block=1), an_observation(a_key(stack="other"), 1)])
        assert len(store.read(tmp_path / "r")) == 2
        opened.record([an_observation(block=2)])
        assert [row.block for row in store.read(tmp_path / "r")] == [1, 1, 2]


def test_what_is_kept_in_memory_is_what_was_written(tmp_path: Path) -> None:
    with store.opened(tmp_path) as opened:
        opened.record([an_observation(rps=THIRD)])
        opened.record([an_observation(block=2, rps=2 * THIRD, mean_ms=1.23456789)])
        assert opened.observations == store.read(tmp_path)
        assert opened.observations[0].rps == 333.333


def test_an_earlier_run_is_replaced_by_the_first_record_and_not_before(tmp_path: Path) -> None:
    with store.opened(tmp_path) as opened:
        opened.record([an_observation(block=7)])
    with store.opened(tmp_path) as opened:
        assert [row.block for row in store.read(tmp_path)] == [7]
        opened.record([an_observation(block=1)])
    assert [row.block for row in store.read(tmp_path)] == [1]


def test_rows_are_appended_and_those_before_stay_the_same_bytes(tmp_path: Path) -> None:
    with store.opened(tmp_path) as opened:
        opened.record([an_observation(block=1)])
        before = (tmp_path / store.BLOCKS).read_bytes()
        opened.record([an_observation(block=2)])
    after = (tmp_path / store.BLOCKS).read_bytes()
    assert after.startswith(before)
    assert b"\r" not in after


def test_nothing_else_is_left_in_the_folder(tmp_path: Path) -> None:
    with store.opened(tmp_path) as opened:
        opened.record([an_observation()])
        opened.write({"cells.csv": "x\n", "report.md": "y\n"})
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {store.BLOCKS, "cells.csv", "report.md"}


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path) -> None:
    with (
        store.opened(tmp_path),
        pytest.raises(BadInput, match="another run is writing its results there"),
        store.opened(tmp_path),
    ):
        raise AssertionError("the second must not get in")


def test_the_folder_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with store.opened(tmp_path):
            pass


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("")
    with (
        pytest.raises(BadInput, match=r"r: cannot write results there: .+"),
        store.opened(tmp_path / "r"),
    ):
        raise AssertionError("it must not get in")


def test_a_folder_that_vanishes_is_an_error_that_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    with store.opened(folder) as opened:
        folder.rmdir()
        with pytest.raises(NothingMeasurable, match="cannot write results there"):
            opened.record([an_observation()])


def test_a_record_that_could_not_be_written_is_not_kept(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    with store.opened(folder) as opened:
        folder.rmdir()
        with pytest.raises(NothingMeasurable):
            opened.record([an_observation()])
        assert opened.observations == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"\xff\xfe\x00", "not UTF-8 text"),
        (tables.table(Observation, []).encode(), "holds no observation"),
    ],
)
def test_a_folder_without_observations_is_named(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / store.BLOCKS).write_bytes(content)
    with pytest.raises(BadInput) as caught:
        store.read(tmp_path)
    assert str(caught.value) == f"{tmp_path / store.BLOCKS}: {said}"


def test_any_program_can_read_the_file(tmp_path: Path) -> None:
    with store.opened(tmp_path) as opened:
        opened.record([an_observation(reason='a "quoted", word | and < more')])
    with (tmp_path / store.BLOCKS).open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["reason"] == 'a "quoted", word | and < more'
    assert (row["limit"], row["rate"], row["rps"]) == ("", "", "1000")
