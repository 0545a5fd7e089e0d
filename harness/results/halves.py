"""The findings of a large results folder: of half of its settings by a second process.

Settings have nothing to do with each other until a report is made of them. What two
processes found is the same, cell by cell, as what one does, in a little over half the time;
whatever cannot be read so is read by one process, which knows what to say of it.
"""

import zlib
from collections.abc import Set
from pathlib import Path

from harness import matrix, plan
from harness.beside import beside, worth_it
from harness.columns import columns
from harness.errors import BadInput
from harness.findings import Findings, Found, complete, find_each
from harness.matrix import Matrix
from harness.model import Key, Setting
from harness.results import store

OF_KEY = len(columns(Key))
OF_STACK = slice(columns(Key).index("stack"), columns(Key).index("limit"))
"""Where a line says which cell it is of, and therein what says which of its setting's."""


OF_THE_SECOND = 46
"""Per cent of the settings: it has to send what it found, too."""


def by_halves(folder: Path) -> tuple[Matrix, Findings] | None:
    """Return the matrix of `folder`, and what its blocks say; None where one process must do."""
    try:
        if not worth_it((folder / store.BLOCKS).stat().st_size):
            return None
        measured = matrix.read(folder / "matrix.toml", resolved=True)
        cells = {*plan.cells(measured), *plan.ceilings(measured)}
        other = beside(lambda: _half(folder, measured, cells, 1))
        mine = _half(folder, measured, cells, 0)
        others = other()
    except (OSError, BadInput, ValueError):
        return None
    if mine is None or others is None or mine.keys() & others.keys():
        return None
    return measured, complete(measured, {**mine, **others})


def _half(
    folder: Path, measured: Matrix, cells: Set[Key], half: int
) -> dict[Setting, Found] | None:
    """Return what was found in every other setting; None if any row is of none of `cells`."""
    rows = store.read(folder, lambda line: _half_of(line) == half)
    if not {row.key for row in rows} <= cells:
        return None
    return find_each(measured, rows)


def _half_of(line: bytes) -> int:
    """Return 0 or 1, the same for all lines of a setting, as they were written."""
    key = line.split(b",", OF_KEY)[:OF_KEY]
    del key[OF_STACK]
    return int(zlib.crc32(b",".join(key)) % 100 < OF_THE_SECOND)
