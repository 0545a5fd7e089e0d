import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.endpoints import IDS, calls, calls_of
from harness.model import Endpoint
from tests.factories import a_key


@pytest.mark.parametrize(
    ("endpoint", "limit", "path"),
    [("users_list", 100, "/users?limit=100"), ("books_list", 20, "/books?limit=20")],
)
def test_a_list_is_one_request_for_its_rows(endpoint: Endpoint, limit: int, path: str) -> None:
    (call,) = calls(endpoint, limit=limit, users=100)
    assert (call.method, call.path, call.status, call.varies) == ("GET", path, 200, False)
    assert call.content is None


def test_an_insert_is_a_post_whose_answer_varies() -> None:
    (call,) = calls("users_insert", limit=None, users=100)
    assert (call.method, call.path, call.status, call.varies) == ("POST", "/users", 201, True)
    assert call.content is not None
    assert json.loads(call.content) == {"name": "New User", "email": "new.user@example.org"}


@given(st.integers(1, 100_000))
def test_users_get_asks_for_different_users_that_are_there(users: int) -> None:
    asked = calls("users_get", limit=None, users=users)
    ids = [int(call.path.removeprefix("/users/")) for call in asked]
    assert len(set(ids)) == len(ids) == min(users, IDS)
    assert min(ids) >= 1
    assert max(ids) <= users
    assert all(call.status == 200 and not call.varies for call in asked)


@pytest.mark.parametrize("endpoint", get_args(Endpoint))
def test_every_endpoint_has_its_requests(endpoint: Endpoint) -> None:
    assert calls_of(a_key(endpoint=endpoint, limit=5).setting, 100)
