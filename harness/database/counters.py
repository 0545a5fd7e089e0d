"""What the database counted of its own work: transactions, scans, rows.

Exact only once every backend that worked has ended: a live one reports now and then, an
ending one reports what is left before it goes from `pg_stat_activity`. Before Postgres 15
the reports went through a socket that may lose them, so there nothing is read.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from harness.database.address import Session

EXACT_SINCE = 150_000
"""As `server_version_num` has it."""

GONE_WITHIN_S = 3.0
POLL_S = 0.01

COUNTERS = """
SELECT xact_commit + xact_rollback,
       tup_returned,
       (SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables
        WHERE relid = 'harness.users'::regclass),
       (SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables
        WHERE relid = 'harness.books'::regclass),
       (SELECT count(*) FROM harness.users)
FROM pg_stat_database
WHERE datname = current_database() AND current_setting('track_counts')::boolean
"""


@dataclass(frozen=True, slots=True)
class Counters:
    """Since the database began; `users` is how many rows its table holds.

    `rows_read` counts rows and index entries of all tables. The sessions of others in the
    same database are counted too.
    """

    transactions: int
    rows_read: int
    users_scans: int
    books_scans: int
    users: int

    def since(self, before: "Counters") -> "Counters":
        """Return what was counted after `before`."""
        return Counters(
            self.transactions - before.transactions,
            self.rows_read - before.rows_read,
            self.users_scans - before.users_scans,
            self.books_scans - before.books_scans,
            self.users - before.users,
        )


async def counters(session: Session, application_names: Sequence[str]) -> Counters | None:
    """Read the counters once no backend of `application_names` lives.

    What `session` did itself is counted before. None when the others do not go in time, or
    when the server does not count, or not exactly.
    """
    if session.info.server_version < EXACT_SINCE:
        return None
    deadline = time.monotonic() + GONE_WITHIN_S
    while True:
        rows = await session.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = ANY(%s)",
            (list(application_names),),
        )
        if await rows.fetchone() == (0,):
            break
        if time.monotonic() > deadline:
            return None
        await asyncio.sleep(POLL_S)
    await session.execute("SELECT pg_stat_force_next_flush()")
    found = await (await session.execute(COUNTERS)).fetchone()
    return None if found is None else Counters(*(int(str(each)) for each in found))
