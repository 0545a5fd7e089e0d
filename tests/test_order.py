"""Which setting gets the next block."""

from pathlib import Path

from harness.checks import checked
from harness.matrix import Matrix
from harness.model import Key, Setting
from harness.plan import cells
from harness.results.store import Store, opened
from harness.run import _blocks
from tests.factories import a_machine, a_matrix, an_observation

NOISY = a_machine(foreign_cpu_cores=1.0)


def given(matrix: Matrix, folder: Path, disturbed: set[tuple[str, int]]) -> list[tuple[str, int]]:
    """Walk the plan; the blocks (endpoint, number) in `disturbed` come out as such."""
    done: list[tuple[str, int]] = []
    with opened(folder) as store:
        for setting in _blocks(matrix, store):
            number = 1 + sum(endpoint == setting.endpoint for endpoint, _ in done)
            done.append((setting.endpoint, number))
            record(store, matrix, setting, number, (setting.endpoint, number) in disturbed)
    return done


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


def a_plan(blocks: int) -> Matrix:
    return a_matrix(
        run={"max_blocks": blocks, "min_blocks": 1, "precision": 1e-6},
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
