"""Which of the harness's error classes an exception belongs to, whatever driver raised it.

Classes are told by SQLSTATE and by the names in the exception's own MRO, so that
serving one driver never imports another.
"""

import os
import re
from collections.abc import Iterator
from typing import Literal, TypeAlias

ErrorClass: TypeAlias = Literal["pool_timeout", "too_many_clients", "database", "app"]

MESSAGE_MAX_CHARS = 300

TOO_MANY_CONNECTIONS = "53300"
"""SQLSTATE too_many_connections (PostgreSQL documentation, appendix A)."""

_TOO_MANY_MESSAGES = (
    "too many clients already",
    "remaining connection slots are reserved",
    "too many connections for role",
    "too many connections for database",
)
"""What libpq leaves of SQLSTATE 53300 when connecting fails: psycopg and psycopg2 have no
`sqlstate` on that exception. English only: a server with other `lc_messages` says `database`."""

_DATABASE_NAMES = frozenset({"PostgresError", "InterfaceError", "DatabaseError", "DBAPIError"})
"""PEP 249's names, as in psycopg and psycopg2; asyncpg's; SQLAlchemy's."""


class PoolTimeout(Exception):
    """No connection from the pool in time, for drivers whose own exception does not say so."""


def classify(error: BaseException) -> ErrorClass:
    """Name the class of `error`, looking through everything that wraps its cause.

    A pool that times out because the server refuses connections is `too_many_clients`
    where the exception still carries that cause; psycopg_pool's does not.
    """
    chain = list(_chain(error))
    if any(map(_is_too_many_clients, chain)):
        return "too_many_clients"
    if any(map(_is_pool_timeout, chain)):
        return "pool_timeout"
    if any(map(_is_database, chain)):
        return "database"
    return "app"


def message(error: BaseException) -> str:
    """Say `error` in one line of at most 300 characters, without a password."""
    text = str(error).strip() or type(error).__name__
    return _without_password(text.splitlines()[0].strip())[:MESSAGE_MAX_CHARS]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Walk `error` and all it was raised from, through SQLAlchemy's `.orig` too; each once."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop()
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        context = None if each.__suppress_context__ else each.__context__
        waiting += [context, each.__cause__, getattr(each, "orig", None)]


def _is_too_many_clients(error: BaseException) -> bool:
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if state is not None:
        return bool(state == TOO_MANY_CONNECTIONS)
    return _is_database(error) and any(each in str(error) for each in _TOO_MANY_MESSAGES)


def _is_pool_timeout(error: BaseException) -> bool:
    return any(
        each.__name__ == "PoolTimeout"
        or (each.__name__ == "TimeoutError" and each.__module__ == "sqlalchemy.exc")
        for each in type(error).__mro__
    )


def _is_database(error: BaseException) -> bool:
    # asyncpg lets a refused or broken socket through as it is, and the database's
    # are the only sockets an adapter has.
    if isinstance(error, ConnectionError):
        return True
    return any(each.__name__ in _DATABASE_NAMES for each in type(error).__mro__)


def _without_password(text: str) -> str:
    text = re.sub(r"(://[^\s:/@]*):[^\s@]*@", r"\1:***@", text)
    text = re.sub(r"(password\s*=\s*)\S+", r"\1***", text, flags=re.IGNORECASE)
    password = os.environ.get("PGPASSWORD")
    return text.replace(password, "***") if password else text
