"""What the plots show, read back from their SVG. Their bytes are matplotlib's business."""

import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.findings import Findings, find
from harness.matrix import Matrix
from harness.model import Observation
from harness.observation import unmeasured
from harness.plan import cells, settings
from harness.results import pictures
from harness.results.markdown import report
from harness.results.pictures import Pictures, chosen, drawn, swept
from harness.results.plots.style import COLOURS
from harness.results.store import opened
from tests.factories import ENVIRONMENT, a_matrix, an_observation

SVG = "{http://www.w3.org/2000/svg}"
STACKS = ["plain", "quick", "x" * 48, *(f"another-{number}" for number in range(6))]
CONNECTIONS = [4, 16, 64]


def the_matrix(connections: list[int]) -> Matrix:
    group = {"name": "g", "endpoint": ["users_get"], "concurrency": connections}
    stacks = [{"name": name, "adapter": "psycopg_pool"} for name in STACKS]
    return a_matrix(stack=stacks, group=[group], run={"ceilings": False})


def the_observations(matrix: Matrix) -> list[Observation]:
    """Two blocks of every cell; the last stack failed."""
    return [
        unmeasured(key, block, "interleaved", "failed", "no start")
        if key.stack == STACKS[-1]
        else an_observation(key, block, rps=1000.0 * (1 + STACKS.index(key.stack)))
        for key in cells(matrix)
        for block in (1, 2)
    ]


MATRIX = the_matrix(CONNECTIONS)


@pytest.fixture(scope="module")
def found() -> Findings:
    return find(MATRIX, the_observations(MATRIX))


@pytest.fixture(scope="module")
def shown(found: Findings) -> Pictures:
    return chosen(found)


@pytest.fixture(scope="module")
def files(found: Findings, shown: Pictures) -> Mapping[str, str]:
    return drawn(MATRIX, found, shown)


def texts(svg: str) -> list[str]:
    return ["".join(each.itertext()) for each in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def of_setting(files: Mapping[str, str]) -> str:
    return files["plots/users_get-16-connections.svg"]


def of_sweep(files: Mapping[str, str]) -> str:
    return files["plots/along-g-users_get-by-connections.svg"]


def test_every_setting_and_every_axis_has_its_plot(
    shown: Pictures, files: Mapping[str, str]
) -> None:
    assert len(files) == len(CONNECTIONS) + 1
    assert files.keys() == {*shown.of.values(), *shown.sweeps.values()}


def test_a_plot_names_what_it_shows_with_its_units_and_every_stack(
    files: Mapping[str, str],
) -> None:
    said = texts(of_setting(files))
    assert "users_get, 16 connections" in said
    for axis in ("req/s, with 95 % interval", "ms, logarithmic", "us per good answer", "MiB"):
        assert axis in said
    assert set(STACKS) <= set(said)
    along = texts(of_sweep(files))
    assert {"req/s, with 95 % interval", "ms, logarithmic", *STACKS[:-1]} <= set(along)
    assert {str(each) for each in CONNECTIONS} <= set(along)


def test_bars_are_as_long_as_the_rates(files: Mapping[str, str]) -> None:
    paths = re.findall(
        r'<path d="M ([\d.]+) [\d.]+ *\n?L ([\d.]+) [^"]*"[^/]*fill: (#\w+); opacity: 0.85',
        of_setting(files),
    )
    lengths = [float(right) - float(left) for left, right, _ in paths]
    assert len(lengths) == len(STACKS) - 1
    for number, length in enumerate(lengths, 1):
        assert length / lengths[0] == pytest.approx(number, rel=1e-3)


def test_a_stack_has_one_colour_in_all_plots(files: Mapping[str, str]) -> None:
    for svg in files.values():
        assert all(colour.lower() in svg for colour in COLOURS)


def test_a_cell_without_a_number_is_left_out_and_said(files: Mapping[str, str]) -> None:
    assert f"Left out, for they have no number: {STACKS[-1]} (failed)" in texts(of_setting(files))
    assert "3 of 27 cells have no number and are left out." in texts(of_sweep(files))
    assert STACKS[-1] not in texts(of_sweep(files))


def test_no_text_lies_outside_the_picture(files: Mapping[str, str]) -> None:
    for svg in files.values():
        root = ElementTree.fromstring(svg)
        width, height = map(float, root.attrib["viewBox"].split()[2:])
        for each in root.iter(f"{SVG}text"):
            moved = re.search(r"translate\(([-\d.]+) ([-\d.]+)\)", each.attrib["transform"])
            x, y = moved.groups() if moved else (each.attrib["x"], each.attrib["y"])
            assert 0 <= float(x) <= width
            assert 0 <= float(y) <= height


def test_a_plot_holds_no_nan_no_date_and_no_version(files: Mapping[str, str]) -> None:
    for svg in files.values():
        assert not re.search(r"\bnan\b|\binf\b|matplotlib v|<dc:date", svg, re.IGNORECASE)


def test_drawn_twice_they_are_the_same_bytes(
    found: Findings, shown: Pictures, files: Mapping[str, str]
) -> None:
    assert drawn(MATRIX, found, shown) == files


def test_ids_differ_from_plot_to_plot_so_that_a_page_can_hold_them_all(
    files: Mapping[str, str],
) -> None:
    clips = [set(re.findall(r'clipPath id="(\w+)"', svg)) for svg in files.values()]
    assert all(clips)
    assert len(set.union(*clips)) == sum(map(len, clips))


def test_the_report_shows_each_plot_that_there_is_and_no_other(
    found: Findings, shown: Pictures, files: Mapping[str, str]
) -> None:
    links = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", report(MATRIX, found, ENVIRONMENT, shown))
    assert sorted(links) == sorted(files)
    assert "](plots/" not in report(MATRIX, found, ENVIRONMENT)


# What is drawn of many


def many(**axes: object) -> Findings:
    matrix = a_matrix(group=[{"name": "g", "endpoint": ["users_get"]} | axes])
    return find(matrix, [an_observation(key) for key in cells(matrix)])


def test_an_axis_is_drawn_with_all_others_at_their_first_value() -> None:
    grid = many(concurrency=[64, 4, 16], pool_size=[5, 10])
    connections, pools = swept(grid)
    assert [each.concurrency for each in connections.settings] == [4, 16, 64]
    assert connections.held == ("pool size 5",)
    assert [each.pool_size for each in pools.settings] == [5, 10]
    assert (pools.title, pools.held) == ("g: users_get, by pool size", ("connections 64",))


def test_a_closed_loop_is_no_value_of_a_rate() -> None:
    assert list(swept(many())) == []
    (rates,) = swept(many(rate=[100, 200]))
    assert rates.title == "g: users_get, by rate"


def test_of_many_settings_the_first_are_drawn_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pictures, "MOST", 3)
    matrix = the_matrix([1, 2, 3, 4])
    found = find(matrix, the_observations(matrix))
    shown = chosen(found)
    assert list(shown.of) == settings(matrix)[:2]
    assert "Of 4 settings the first 2 are drawn." in report(matrix, found, ENVIRONMENT, shown)


def test_a_few_of_very_many_settings_are_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST", 2)
    monkeypatch.setattr(pictures, "MOST_FOR_ONE", 3)
    matrix = the_matrix([1, 2, 3, 4])
    shown = chosen(find(matrix, the_observations(matrix)))
    assert (len(shown.sweeps), len(shown.of), shown.without) == (1, 0, 4)


# On disk


def published(folder: Path, files: Mapping[str, str]) -> set[str]:
    with opened(folder) as store:
        store.publish(files)
    return {str(each.relative_to(folder)) for each in folder.rglob("*")}


def test_a_plot_of_an_earlier_run_goes_with_it(tmp_path: Path) -> None:
    published(tmp_path, {"plots/old.svg": "<svg/>", "report.md": ""})
    assert published(tmp_path, {"plots/new.svg": "<svg/>"}) >= {"report.md", "plots/new.svg"}
    assert not (tmp_path / "plots" / "old.svg").exists()
    assert published(tmp_path, {"report.md": ""}) == {"report.md"}


def test_what_a_person_put_beside_the_plots_stays(tmp_path: Path) -> None:
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "mine.png").touch()
    assert "plots/mine.png" in published(tmp_path, {"plots/a.svg": "<svg/>"})
    assert "plots/mine.png" in published(tmp_path, {"report.md": ""})
