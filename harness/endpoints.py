"""What each endpoint asks over HTTP, and whether its answer may vary. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.model import Endpoint, Setting

IDS = 16
"""How many different users `users_get` asks for: a stack that caches an answer is found out,
and the list of verified answers stays short."""


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
            step = max(1, users // IDS)
            ids = range(1, users + 1, step)[:IDS]
            return [Call("GET", f"/users/{user_id}", None, 200, varies=False) for user_id in ids]
        case "users_list":
            return [Call("GET", f"/users?limit={limit}", None, 200, varies=False)]
        case "books_list":
            return [Call("GET", f"/books?limit={limit}", None, 200, varies=False)]
        case "users_insert":
            body = {"name": "New User", "email": "new.user@example.org"}
            return [Call("POST", "/users", body, 201, varies=True)]


def calls_of(setting: Setting, users: int) -> Sequence[Call]:
    """Return the requests of `setting`."""
    return calls(setting.endpoint, limit=setting.limit, users=users)
