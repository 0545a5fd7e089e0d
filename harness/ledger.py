"""What a run has found so far, kept up block by block."""

from harness.findings import Findings, find, find_in
from harness.matrix import Matrix
from harness.model import Setting
from harness.results.store import Store


class Ledger:
    """The findings of what is in `store`, summed up when they are first asked for.

    To sum up what an earlier run left takes seconds, which `--resume` has a use for only once
    there is a block more: until then nobody waits for it.
    """

    def __init__(self, matrix: Matrix, store: Store) -> None:
        self._matrix = matrix
        self._store = store
        self._found: Findings | None = None

    @property
    def findings(self) -> Findings:
        """What was found, measured or not yet."""
        if self._found is None:
            self._found = find(self._matrix, self._store.observations)
        return self._found

    def add(self, setting: Setting) -> None:
        """Take in the block of `setting` that was recorded last: no other setting is looked at."""
        if self._found is not None:
            rows = self._store.of(setting)
            self._found = self._found.having(setting, find_in(self._matrix, setting, rows))
