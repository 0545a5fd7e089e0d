"""What each endpoint asks over HTTP, and whether its answer may vary. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.model import Endpoint, Setting

IDS = 16
"""How many different users `users_get` asks for: a stack that caches an answer is found out,
and the list of verified answers stays short."""

NEW_USER: Mapping[str, str] = {"name": "New User", "email": "new.user@example.org"}
"""Whom `users_insert` inserts, over and over."""


def user_ids(users: int) -> range:
    """Return the ids that `users_get` asks for in turn, of a table of `users`."""
    return range(1, users + 1, max(1, users // IDS))[:IDS]


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request: `body` is sent as JSON; `status` is the answer that is right.

    `varies` is True when two right answers differ, as those to an insert do.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None
    status: int
    varies: bool

    @property
    def content(self) -> bytes | None:
        """The body as it is sent."""
        return None if self.body is None else json.dumps(self.body).encode()


def calls(endpoint: Endpoint, *, limit: int | None, users: int) -> Sequence[Call]:
    """Return the requests that make up load on `endpoint`, sent in turn.

    `users` is how many the table holds; `limit` the rows of a list.
    """
    match endpoint:
        case "users_get":
            return [
                Call("GET", f"/users/{user_id}", None, 200, varies=False)
                for user_id in user_ids(users)
            ]
        case "users_list":
            return [Call("GET", f"/users?limit={limit}", None, 200, varies=False)]
        case "books_list":
            return [Call("GET", f"/books?limit={limit}", None, 200, varies=False)]
        case "users_insert":
            return [Call("POST", "/users", NEW_USER, 201, varies=True)]


def calls_of(setting: Setting, users: int) -> Sequence[Call]:
    """Return the requests of `setting`."""
    return calls(setting.endpoint, limit=setting.limit, users=users)


NOOP = Call("GET", "/noop", None, 200, varies=False)
"""The request of the ceiling without a database."""
