"""Two processes find in a folder what one does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.columns import values
from harness.errors import BadInput
from harness.model import Observation
from harness.results import halves, rebuild, store, tables
from harness.results.halves import by_halves
from tests.results.run import the_observations
from tests.results.test_golden import COMPUTED, run_into


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run_into(tmp_path)
    return tmp_path


@pytest.fixture
def _worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have any folder, however small, read by two."""
    for module in (halves, rebuild):
        monkeypatch.setattr(module, "worth_it", lambda _: True)


def test_a_small_folder_is_read_by_one(folder: Path) -> None:
    assert by_halves(folder) is None


@pytest.mark.usefixtures("_worth_it")
def test_both_halves_make_the_findings_of_the_whole(folder: Path) -> None:
    both = by_halves(folder)
    assert both is not None
    assert both == rebuild._whole(folder)
    assert list(both[1].by_setting) == list(rebuild._whole(folder)[1].by_setting)


@pytest.mark.usefixtures("_worth_it")
def test_report_makes_the_same_bytes_with_two_processes(folder: Path) -> None:
    before = {name: (folder / name).read_bytes() for name in COMPUTED}
    assert rebuild.rebuild(folder) == list(COMPUTED)
    assert {name: (folder / name).read_bytes() for name in COMPUTED} == before


def test_each_half_has_whole_settings_and_neither_is_empty() -> None:
    halves_of: dict[object, set[int]] = {}
    for line, row in lines_of(the_observations()):
        halves_of.setdefault(row.key.setting, set()).add(halves._half_of(line))
    assert all(len(each) == 1 for each in halves_of.values())
    assert set.union(*halves_of.values()) == {0, 1}


def lines_of(rows: list[Observation]) -> Iterator[tuple[bytes, Observation]]:
    for row in rows:
        yield tables.lines([values(row)]).encode(), row


@pytest.mark.usefixtures("_worth_it")
@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (",interleaved,", ",interleft,", r"blocks.csv: line 2: schedule: 'interleft' is none of"),
        (
            ",plain,",
            ",strange,",
            r"blocks.csv: holds strange on \w+ in \w+, a cell that the matrix",
        ),
    ],
)
def test_what_is_wrong_is_told_as_by_one(folder: Path, before: str, after: str, said: str) -> None:
    path = folder / store.BLOCKS
    path.write_text(path.read_text().replace(before, after, 1))
    assert by_halves(folder) is None
    with pytest.raises(BadInput, match=said):
        rebuild.findings(folder)


@pytest.mark.usefixtures("_worth_it")
def test_a_setting_written_in_two_ways_is_read_by_one(folder: Path) -> None:
    """A rate of 0 ms may have been put down as 0.0 by hand: no half has all of that setting."""
    path = folder / store.BLOCKS
    heading, *lines = path.read_bytes().splitlines(keepends=True)
    wanted = rebuild.findings(folder)
    other = [halves._half_of(line.replace(b",1,0,", b",1,0.0,", 1)) for line in lines]
    at = next(at for at, half in enumerate(other) if half != halves._half_of(lines[at]))
    lines[at] = lines[at].replace(b",1,0,", b",1,0.0,", 1)
    path.write_bytes(heading + b"".join(lines))
    assert by_halves(folder) is None
    assert rebuild.findings(folder) == wanted
