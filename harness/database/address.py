"""Where a Postgres listens and as whom to connect, with the password kept apart.

The DSN travels: into server processes, log lines, error messages, `env.json`.
So it never holds a password. That goes from `Address.password` straight into
the environment of a served process (PGPASSWORD, which libpq and asyncpg both
read) or into a connect call, and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import quote, urlencode

import psycopg
from psycopg import conninfo

from harness.errors import BadInput, NothingMeasurable

CONNECT_TIMEOUT_S = 10
SHARED_PARAMETERS = frozenset({"sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl"})
"""What libpq and asyncpg understand alike in a URI. Anything else would reach one
driver and not another, so it is refused rather than dropped."""

Session: TypeAlias = psycopg.AsyncConnection[tuple[object, ...]]
"""A connection of the runner's own, in autocommit."""

_LOCATION = frozenset({"host", "port", "user", "dbname", "password", "application_name"})


@dataclass(frozen=True, slots=True)
class Address:
    """A Postgres that answered once, and how every driver is to reach it."""

    host: str
    port: int
    user: str
    dbname: str
    password: str | None = field(repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict)

    def dsn(self, application_name: str) -> str:
        """Return a URI without a password that all drivers read the same way."""
        query = dict(self.parameters) | {"application_name": application_name}
        host = "" if self.host.startswith("/") else self.host
        if not host:  # a Unix socket's folder cannot stand before the port
            query["host"] = self.host
        elif ":" in host:
            host = f"[{host}]"
        place = f"{host}:{self.port}" if host else ""
        if not host:
            query["port"] = str(self.port)
        user, dbname = quote(self.user, safe=""), quote(self.dbname, safe="")
        return f"postgresql://{user}@{place}/{dbname}?{urlencode(query, quote_via=quote)}"

    async def connect(self) -> Session:
        """Open one. Raises `NothingMeasurable` with the server's own words when it refuses."""
        try:
            return await psycopg.AsyncConnection.connect(
                self.dsn("harness"),
                password=self.password,
                connect_timeout=CONNECT_TIMEOUT_S,
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            raise NothingMeasurable(f"database: {reason(error)}") from error


def reason(error: psycopg.Error) -> str:
    """Return the first line of what the server or libpq said."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


async def resolve(dsn: str) -> Address:
    """Read a user's DSN (URI or key=value), connect once, and fix every default it leaves open.

    Drivers differ in what they assume: without a host libpq takes the Unix socket
    and asyncpg may not; without `sslmode` a self-signed server is spoken to in TLS
    by some. Resolving once makes the transport the same for every stack.

    Raises `BadInput` for a DSN that cannot be read or names what drivers do not
    share, `NothingMeasurable` when nothing answers there.
    """
    given = _parse(dsn)
    parameters = {key: given[key] for key in SHARED_PARAMETERS & given.keys()}
    parameters.setdefault("sslmode", "disable")
    try:
        connection = await psycopg.AsyncConnection.connect(
            **(given | parameters),  # type: ignore[arg-type]
            connect_timeout=CONNECT_TIMEOUT_S,
        )
    except psycopg.OperationalError as error:
        hint = "" if "sslmode" in given else " (TLS is off unless the DSN says sslmode=require)"
        raise NothingMeasurable(f"database: {reason(error)}{hint}") from error
    async with connection:
        info = connection.info
        return Address(
            host=info.host,
            port=info.port,
            user=info.user,
            dbname=info.dbname,
            password=info.password or None,
            parameters=parameters,
        )


def _parse(dsn: str) -> dict[str, str]:
    try:
        given = {key: str(value) for key, value in conninfo.conninfo_to_dict(dsn).items()}
    except psycopg.ProgrammingError as error:
        # libpq quotes the DSN, or part of it, in some messages: never pass them on.
        raise BadInput(
            "database.dsn: not a Postgres DSN; expected postgresql://user@host:port/dbname"
        ) from error
    unshared = sorted(given.keys() - _LOCATION - SHARED_PARAMETERS)
    if unshared:
        raise BadInput(
            f"database.dsn: {unshared[0]!r} does not mean the same to every driver; "
            f"remove it (allowed: {', '.join(sorted(SHARED_PARAMETERS))})"
        )
    return given
