"""What an adapter is: the words that `adapters/` and the served app share."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, TypeAlias

from annotated_types import Ge, Gt

Endpoint: TypeAlias = Literal["users_get", "users_list", "users_insert", "books_list"]

Json: TypeAlias = Mapping[str, Any] | Sequence[Any] | bytes
"""What one `orjson.dumps` can take, or `bytes` that are JSON already: they go out as they are."""


class Unsupported(Exception):
    """The adapter cannot do this endpoint; the message says why. Its cell is `unsupported`."""


class Adapter(Protocol):
    """All the database work of each endpoint, with one driver: one method, one request.

    A method takes its connection from the pool, gives it back, and returns rows
    that were fetched completely. It lets the driver's exceptions pass:
    `adapters.errors.classify` names them. What it cannot do raises `Unsupported`.
    """

    async def list_users(self, limit: int) -> Json:
        """Return the first `limit` users by id: `[{"id", "name", "email", "created_at"}]`."""
        ...

    async def get_user(self, user_id: int) -> Json | None:
        """Return one user, or None when there is no such id."""
        ...

    async def insert_user(self, name: str, email: str) -> Json:
        """Insert a user, durably, and return the row as the database made it."""
        ...

    async def list_books(self, limit: int) -> Json:
        """Return the first `limit` books by id, each with its authors and genres, by id too.

        `[{"id", "title", "isbn", "price_cents", "published",
        "authors": [{"id", "name"}], "genres": [{"id", "name"}]}]`
        """
        ...


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """The options every pool has: groups of a matrix sweep them under these names."""

    pool_size: Annotated[int, Ge(1)] = 10
    """Connections the pool holds; all of them are open before the first request."""

    pool_timeout: Annotated[float, Gt(0)] = 30.0
    """Seconds a request waits for a connection before it fails as `pool_timeout`."""


class AdapterModule(Protocol):
    """What a module must hold to be an adapter; `LANES` and `unsupported` may be missing.

    `Options` is a frozen dataclass of bool, int, float, str, Literal and `X | None`
    fields, best made by extending `PoolOptions`. Its defaults are what the library's
    own documentation gives. `LANES` has the keys "idiomatic" and "matched", each with
    the options that lane sets; without it no lane sets anything.
    """

    __name__: str
    Options: type[Any]
    LANES: Mapping[str, Mapping[str, object]]

    def connect(self, dsn: str, options: Any) -> AbstractAsyncContextManager[Adapter]:
        """Open the pool full and warm, yield the adapter, close everything after."""
        ...

    def unsupported(self, options: Any, endpoint: Endpoint) -> str | None:
        """Return why these `options` cannot be honoured for `endpoint`, or None when they can.

        Pure, and asked before anything is started: such a cell is `unsupported`, with that
        reason. Without this function whatever `Options` takes can be done.
        """
        ...
