"""What the database counted, set against the answers of the stacks that asked. Pure.

All stacks that were up at the same time share one database and one figure, but for a
stack whose backends evidently did nothing: it is credited with no work, and the others
with all of it. So one stack that answers from its memory is told from those that work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.database.counters import Counters
from harness.load.job import TargetAnswer
from harness.model import Observation, Setting, Work
from harness.thresholds import DB_CPU_LEAST_US

LINKS_OF_A_BOOK = 4
"""Two authors and two genres: rows that must be read beside the book's own."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an endpoint asks of the database, and what it was asked before the load.

    `rows` is what one answer cannot be made without. `verified` of the checked requests were
    answered, `refused` were not, and may or may not have done their work.
    """

    setting: Setting
    rows: int
    verified: int
    refused: int


def rows_least(setting: Setting, users: int, books: int) -> int:
    """Return the rows that one answer of `setting` cannot be made without.

    `users` and `books` are how many their tables hold.
    """
    match setting.endpoint:
        case "users_list":
            return min(setting.limit or 0, users)
        case "books_list":
            return (1 + LINKS_OF_A_BOOK) * min(setting.limit or 0, books)
        case "users_get" | "users_insert":
            return 1


def credited(
    rows: Sequence[Observation],
    answers: Mapping[str, TargetAnswer],
    counted: Counters,
    asked: Asked,
) -> list[Observation]:
    """Return `rows`, of stacks that were up together, each with the work it is credited with.

    `answers` are by stack; `counted` is what the database did from before the first of
    them started until after the last had ended.
    """
    answering = {name: answer for name, answer in answers.items() if answer.answered}
    idle = {row.key.stack for row in rows if len(answering) > 1 and _did_nothing(row)}
    working = [answer for name, answer in answering.items() if name not in idle]
    share, none = _share(counted, working, asked), _share(counted, [], asked)
    return [
        replace(row, work=none if row.key.stack in idle else share)
        if row.key.stack in answering
        else row
        for row in rows
    ]


def _did_nothing(row: Observation) -> bool:
    return row.cost.db_cpu_us is not None and row.cost.db_cpu_us < DB_CPU_LEAST_US


def _share(counted: Counters, working: Sequence[TargetAnswer], asked: Asked) -> Work:
    """Return the work for each good answer of `working`; none of it when there are none."""
    inserts = asked.setting.endpoint == "users_insert"
    good = sum(each.answered for each in working)
    unsure = asked.refused + sum(each.failed for each in working)
    scans = counted.books_scans if asked.setting.endpoint == "books_list" else counted.users_scans
    rows = counted.users - asked.verified if inserts else counted.rows_read

    def each(count: int) -> float:
        return count / good if good else 0.0

    return Work(
        transactions=each(counted.transactions),
        scans=None if inserts else each(scans),
        rows=each(rows),
        rows_least=float(asked.rows),
        rows_most=each(good + unsure) if inserts else None,
    )
