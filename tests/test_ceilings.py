"""Ceilings stand beside the stacks and are none of them."""

import pytest

from harness.ceilings import NOOP, PGBENCH, is_ceiling, share, what_applies
from harness.findings import find, find_in, precise
from harness.model import Key, Observation
from harness.observation import unmeasured
from harness.results import ceilings, render
from harness.sentences import sentences
from tests.factories import ENVIRONMENT, a_key, a_matrix, an_observation, blocks

MATRIX = a_matrix()
STACKS = [*blocks([1000.0] * 3), *blocks([500.0] * 3, a_key(stack="other", adapter="asyncpg_pool"))]


def a_ceiling(name: str) -> Key:
    return a_key(stack=name, adapter=name, lane="matched")


def rows_of(name: str, *rates: float | None) -> list[Observation]:
    return blocks(rates, a_ceiling(name))


def test_a_ceiling_is_known_by_its_name_and_gets_a_quarter() -> None:
    assert [is_ceiling(key) for key in (a_ceiling("noop"), a_ceiling("pgbench"), a_key())] == [
        True,
        True,
        False,
    ]
    assert [share(a_ceiling("noop")), share(a_key())] == [0.25, 1.0]


def test_noop_has_no_database() -> None:
    row = what_applies(an_observation(a_ceiling(NOOP.name)))
    assert (row.cost.db_cpu_us, row.cost.db_pss_mib, row.cost.connections) == (None, None, None)
    assert (row.cost.app_cpu_us, row.littles_law, row.generator_busy) == (400.0, 1.0, 0.3)


def test_pgbench_is_its_own_generator_and_little_says_nothing_of_it() -> None:
    row = what_applies(an_observation(a_ceiling(PGBENCH.name)))
    assert (row.littles_law, row.generator_busy, row.lag_p99_ms) == (None, None, None)
    assert row.cost.db_cpu_us == 50.0


def test_ceilings_are_in_no_comparison_and_no_sentence_and_no_count() -> None:
    alone = find(MATRIX, STACKS)
    beside = find(MATRIX, [*STACKS, *rows_of("noop", 9e3), *rows_of("pgbench", 7e3, 8e3)])
    assert [each.key.stack for each in beside.ceilings.values()] == ["noop", "pgbench"]
    assert beside.summaries == alone.summaries
    assert beside.comparisons == alone.comparisons
    assert beside.baselines == alone.baselines
    assert sentences(beside) == sentences(alone)


def test_a_failed_ceiling_keeps_no_setting_from_being_precise() -> None:
    failed = unmeasured(a_ceiling("pgbench"), 1, "interleaved", "failed", "no")
    for beside in ([], [failed], rows_of("noop", 1.0, 9000.0, 3.0)):
        assert precise(MATRIX, find_in(MATRIX, a_key().setting, [*STACKS, *beside]))


@pytest.mark.parametrize(
    ("noop", "tool", "nearer"),
    [
        (9000.0, 7000.0, "pgbench"),
        (7000.0, 9000.0, "noop"),
        (9000.0, None, "noop"),
        (None, 7000.0, "pgbench"),
        (None, None, None),
    ],
)
def test_the_nearer_ceiling_is_the_lower_one_of_those_that_have_a_rate(
    noop: float | None, tool: float | None, nearer: str | None
) -> None:
    found = find(MATRIX, [*STACKS, *rows_of("noop", noop), *rows_of("pgbench", tool)])
    ceiling = found.nearer_ceiling(a_key().setting)
    assert (ceiling.key.stack if ceiling else None) == nearer


@pytest.mark.parametrize(
    ("rate", "said"),
    [(4200.0, "42 % of noop"), (345.6, "3.5 % of noop"), (12000.0, "120 % of noop")],
)
def test_a_share_is_put_in_per_cent(rate: float, said: str) -> None:
    found = find(MATRIX, [*blocks([rate]), *rows_of("noop", 10_000.0)])
    (stack,) = found.summaries.values()
    assert ceilings.share_text(stack, found.nearer_ceiling(a_key().setting)) == said


def test_without_a_rate_there_is_no_share() -> None:
    found = find(MATRIX, [*blocks([None]), *rows_of("noop", 10_000.0)])
    (stack,) = found.summaries.values()
    assert ceilings.share_text(stack, found.nearer_ceiling(a_key().setting)) == "-"
    assert ceilings.share_text(stack, None) == "-"


def test_they_are_in_cells_and_in_no_pair() -> None:
    found = find(MATRIX, [*STACKS, *rows_of("noop", 9e3), *rows_of("pgbench", 8e3)])
    files = render.files(MATRIX, found, ENVIRONMENT)
    assert ",noop,noop,matched," in files["cells.csv"]
    assert ",pgbench,pgbench,matched," in files["cells.csv"]
    assert "noop" not in files["pairs.csv"]
    assert "pgbench" not in files["pairs.csv"]
