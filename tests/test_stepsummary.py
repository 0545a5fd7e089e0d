from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import stepsummary

PARAGRAPHS = st.lists(
    st.sampled_from(["some words", "größer", "<details>\n<summary>a</summary>", "</details>", "x"]),
    max_size=40,
)


def appended(path: Path, *texts: str) -> list[str]:
    environment = {stepsummary.VARIABLE: str(path)}
    return [stepsummary.append(partial(str, each), environment) for each in texts]


def test_what_a_step_says_stands_behind_what_it_said_before(tmp_path: Path) -> None:
    path = tmp_path / "summary"
    assert appended(path, "# first", "# second") == ["", ""]
    assert path.read_text() == "# first\n\n# second\n\n"


@pytest.mark.parametrize("environment", [{}, {stepsummary.VARIABLE: ""}])
def test_without_a_workflow_nothing_is_written(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert stepsummary.append(lambda: pytest.fail("nobody asked"), environment) == ""
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (failure,) = appended(tmp_path / "absent" / "summary", "# first")
    assert failure.endswith("the step's summary cannot be written: No such file or directory")


def test_no_more_than_a_mebibyte_is_written_and_the_last_line_says_so(tmp_path: Path) -> None:
    path = tmp_path / "summary"
    appended(path, *["a row\n\n" * 60_000] * 4)
    assert path.stat().st_size <= stepsummary.MOST_BYTES
    assert path.read_text().count(stepsummary.CUT) == 1
    assert path.read_text().endswith(stepsummary.CUT + "\n\n")


@given(PARAGRAPHS, st.integers(-10, 400))
def test_a_cut_fits_and_is_made_between_paragraphs(paragraphs: list[str], room: int) -> None:
    text = "\n\n".join(paragraphs)
    found = stepsummary.cut(text, room)
    assert len(found.encode()) <= max(0, room)
    if found != text and found:
        kept, said, _ = found.partition(stepsummary.CUT)
        assert said
        assert set(kept.split("\n\n")) <= {*paragraphs, "</details>", ""}


def test_what_folds_is_closed_before_the_cut() -> None:
    text = "\n\n".join(["<details>\n<summary>a</summary>", *["a row"] * 50, "</details>"])
    assert stepsummary.cut(text, 300).endswith(f"a row\n\n</details>\n\n{stepsummary.CUT}\n\n")
