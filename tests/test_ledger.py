"""Findings that are kept up block by block."""

from pathlib import Path

import pytest

from harness.findings import find
from harness.ledger import Ledger
from harness.plan import cells, settings
from harness.results.store import opened
from tests.factories import a_matrix, an_observation

MATRIX = a_matrix(
    group=[{"name": "g", "endpoint": ["users_get"], "concurrency": [4, 16]}],
    run={"ceilings": False},
)


@pytest.mark.parametrize("asked_after", [0, 1, 3])
def test_blocks_are_in_the_findings_whenever_these_are_first_asked_for(
    tmp_path: Path, asked_after: int
) -> None:
    with opened(tmp_path) as store:
        store.record([an_observation(key, 1) for key in cells(MATRIX)])
        ledger = Ledger(MATRIX, store)
        one, other = settings(MATRIX)
        for number, (setting, block) in enumerate([(one, 2), (other, 2), (one, 3)]):
            if number == asked_after:
                assert ledger.findings == find(MATRIX, store.observations)
            mine = [key for key in cells(MATRIX) if key.setting == setting]
            store.record([an_observation(key, block, rps=1000.0 + block) for key in mine])
            ledger.add(setting)
        assert ledger.findings == find(MATRIX, store.observations)
        assert {each.blocks for each in ledger.findings.of(one)} == {3}
