"""The database's own load tool: where it is, and an endpoint's SQL as it wants it."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from adapters.sql import NAMED as SQL
from harness.database.embedded import binaries
from harness.endpoints import NEW_USER, user_ids
from harness.model import Setting

MISSING = (
    "no pgbench on the PATH: it comes with PostgreSQL's server packages "
    "(Debian: postgresql, Homebrew: postgresql@18); or set run.ceilings = false"
)

SCRIPT = "script.sql"
"""The file of the statements, in the folder that the tool also logs to."""

WITHOUT_END_S = 86_400
"""Longer than any block: the generator ends it (`-T`, for only that can be cut short in order)."""


def executable(*, embedded: bool) -> str | None:
    """Return the path of pgbench: the embedded server's own, else that of the PATH if any."""
    own = binaries() / "bin" / "pgbench" if embedded else None
    return str(own) if own is not None and own.exists() else shutil.which("pgbench")


def environment(user: Mapping[str, str], password: str | None) -> dict[str, str]:
    """Return the user's environment without the libpq variables that would redirect it.

    `password` goes this way alone, never into an argument.
    """
    kept = {
        key: value
        for key, value in user.items()
        if key in ("PGPASSWORD", "PGPASSFILE") or not key.startswith("PG")
    }
    kept["PGTZ"] = "UTC"
    return kept if password is None else kept | {"PGPASSWORD": password}


def command(
    tool: str, setting: Setting, *, books: int, dsn: str, clients: int, folder: Path
) -> tuple[str, ...]:
    """Return the arguments that start `tool` on the script in `folder`, logging there.

    One thread, as the generator has: it too shares the CPUs of the load.
    """
    given = {
        "--no-vacuum": None,
        "--protocol": "prepared",
        "--client": clients,
        "--jobs": 1,
        "--time": WITHOUT_END_S,
        "--file": folder / SCRIPT,
        "--log": None,
        "--log-prefix": folder / "log",
    }
    options = [name if value is None else f"{name}={value}" for name, value in given.items()]
    defined = [
        f"--define={name}={value}" for name, value in _variables(setting, books=books).items()
    ]
    return (tool, *options, *defined, dsn)


def script(setting: Setting, *, users: int) -> str:
    """Return the endpoint's statements, those of the matched lane, as one pgbench transaction.

    Users are asked for at random among those that the stacks are asked for in turn.
    """
    match setting.endpoint:
        case "users_get":
            ids = user_ids(users)
            chosen = f"\\set id {ids.start} + {ids.step} * random(0, {len(ids) - 1})\n"
            return chosen + _ended([SQL.get_user])
        case "users_list":
            return _ended([SQL.list_users])
        case "users_insert":
            return _ended([SQL.insert_user])
        case "books_list":
            return _ended([SQL.list_books, SQL.book_authors, SQL.book_genres])


def _ended(statements: Sequence[str]) -> str:
    return "".join(f"{each};\n" for each in statements)


def _variables(setting: Setting, *, books: int) -> Mapping[str, object]:
    """Return what the statements' placeholders stand for, constant for a whole run.

    `ids` are those of the books that the first statement returns: the table's first.
    """
    match setting.endpoint:
        case "users_get":
            return {}
        case "users_list":
            return {"limit": setting.limit}
        case "users_insert":
            return NEW_USER
        case "books_list":
            assert setting.limit is not None
            ids = range(1, min(setting.limit, books) + 1)
            return {"limit": setting.limit, "ids": "{" + ",".join(map(str, ids)) + "}"}
