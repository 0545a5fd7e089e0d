"""Which setting gets the next block."""

import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from hypothesis import given as for_all
from hypothesis import settings as examples
from hypothesis import strategies as st

from harness.checks import checked
from harness.matrix import Matrix
from harness.model import Key, Setting
from harness.order import blocks
from harness.plan import cells
from harness.results.store import Store, opened
from tests.factories import a_machine, a_matrix, an_observation

NOISY = a_machine(foreign_cpu_cores=1.0)


def given(matrix: Matrix, folder: Path, disturbed: set[tuple[str, int]]) -> list[tuple[str, int]]:
    """Walk the plan; the blocks (endpoint, number) in `disturbed` come out as such."""
    with opened(folder) as store:
        return list(walked(matrix, store, disturbed))


def walked(
    matrix: Matrix, store: Store, disturbed: set[tuple[str, int]]
) -> Iterator[tuple[str, int]]:
    for setting in blocks(matrix, store):
        number = 1 + max((row.block for row in store.of(setting)), default=0)
        record(store, matrix, setting, number, (setting.endpoint, number) in disturbed)
        yield setting.endpoint, number


def record(store: Store, matrix: Matrix, setting: Setting, number: int, noisy: bool) -> None:
    keys: list[Key] = [key for key in cells(matrix) if key.setting == setting]
    store.record(
        [
            checked(
                an_observation(
                    key,
                    number,
                    rps=1000.0 + 100 * number * at,  # ratios that are never precise
                    machine=NOISY if noisy else a_machine(),
                )
            )
            for at, key in enumerate(keys)
        ]
    )


def a_plan(most: int, **run: bool) -> Matrix:
    return a_matrix(
        run={"max_blocks": most, "min_blocks": 1, "precision": 1e-6, **run},
        group=[{"name": "g", "endpoint": ["users_get", "users_insert"]}],
    )


def test_without_noise_every_setting_has_its_blocks_and_no_more(tmp_path: Path) -> None:
    done = given(a_plan(3), tmp_path, set())
    assert sorted(done) == [
        (name, number) for name in ("users_get", "users_insert") for number in (1, 2, 3)
    ]


def test_a_disturbed_block_is_followed_by_one_more_when_the_pass_is_done(tmp_path: Path) -> None:
    done = given(a_plan(2), tmp_path, {("users_get", 1)})
    assert done[2] == ("users_get", 2)
    assert set(done[:2]) == {("users_get", 1), ("users_insert", 1)}
    assert set(done[3:]) == {("users_get", 3), ("users_insert", 2)}


def test_a_machine_that_is_never_quiet_costs_one_repeat_a_block(tmp_path: Path) -> None:
    always = {(name, n) for name in ("users_get", "users_insert") for n in range(1, 99)}
    done = given(a_plan(2), tmp_path, always)
    assert len(done) == 2 * 2 * 2
    assert len(set(done)) == len(done)


def test_where_disturbed_blocks_are_not_repeated_every_pass_is_one_block(tmp_path: Path) -> None:
    always = {(name, n) for name in ("users_get", "users_insert") for n in range(1, 99)}
    done = given(a_plan(2, repeat_disturbed=False), tmp_path, always)
    assert sorted(done) == sorted((name, n) for name, n in always if n <= 2)


ENDPOINTS = ("users_get", "users_list")
BLOCKS = st.tuples(st.sampled_from(ENDPOINTS), st.integers(1, 4))


@examples(deadline=None, max_examples=15)
@for_all(st.sets(BLOCKS), st.integers(0, 12), st.sampled_from([1e-6, 0.1, 0.9]), st.booleans())
def test_a_resumed_run_has_the_order_it_would_have_had(
    disturbed: set[tuple[str, int]], stop_after: int, precision: float, repeat: bool
) -> None:
    often = {"max_blocks": 3, "min_blocks": 2, "repeat_disturbed": repeat}
    matrix = a_matrix(
        run={"precision": precision, **often},
        group=[{"name": "g", "endpoint": list(ENDPOINTS)}],
    )
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as store:
        whole = given(matrix, Path(folder) / "whole", disturbed)
        before = list(islice(walked(matrix, store, disturbed), stop_after))
        assert before + list(walked(matrix, store, disturbed)) == whole
