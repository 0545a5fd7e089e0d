"""Which setting gets the next block: breadth-first, by the plan and by what was measured.

Nothing is remembered but the observations, so a run that was interrupted goes on in the
order that it would have had.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from harness import plan
from harness.checks import disturbed
from harness.findings import find_in, precise
from harness.matrix import Matrix
from harness.model import Observation, Setting
from harness.results.store import Store


def blocks(matrix: Matrix, store: Store) -> Iterator[Setting]:
    """Yield settings to give a block to, whose rows are in `store` when the next is asked for.

    A pass leaves out the settings that are precise. After it those whose block was disturbed
    get one more, on top of `max_blocks`, unless the matrix has `repeat_disturbed = false`: by
    then the machine has had time to calm down.
    """
    repeat = matrix.run.repeat_disturbed
    had = {setting: passes(store.of(setting), repeat) for setting in plan.settings(matrix)}
    for number, order in plan.passes(matrix):
        for extra in (False, True):
            for setting in order:
                taken, owed = had.get(setting, (number, False))
                if not (owed and taken == number if extra else taken < number):
                    continue
                if precise(matrix, find_in(matrix, setting, store.of(setting))):
                    del had[setting]  # it gets no more, and so stays as it is
                    continue
                yield setting
                had[setting] = passes(store.of(setting), repeat)


def passes(rows: Sequence[Observation], repeat: bool) -> tuple[int, bool]:
    """Return how many passes gave the setting of `rows` a block, and if the last owes it one more.

    A block after a disturbed one is what that was owed, and is owed nothing itself. Unless
    disturbed blocks are to `repeat`, none is owed anything.
    """
    blocks: dict[int, list[Observation]] = defaultdict(list)
    for row in rows:
        blocks[row.block].append(row)
    count, owed = 0, False
    for block in sorted(blocks):
        count += not owed
        owed = repeat and not owed and disturbed(blocks[block])
    return count, owed
