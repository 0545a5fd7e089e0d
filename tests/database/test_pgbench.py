"""What pgbench is asked to do, and where it is looked for."""

from pathlib import Path

import pytest

from harness.database import pgbench
from harness.model import Endpoint
from tests.factories import a_key


def command(endpoint: Endpoint, limit: int | None = None, books: int = 200) -> tuple[str, ...]:
    setting = a_key(endpoint=endpoint, limit=limit).setting
    return pgbench.command(
        "/bin/pgbench", setting, books=books, dsn="postgresql://u@h/d", clients=7, folder=Path("/f")
    )


def test_it_prepares_its_statements_over_as_many_connections_as_it_is_given() -> None:
    assert command("users_get") == (
        *("/bin/pgbench", "--no-vacuum", "--protocol=prepared", "--client=7", "--jobs=1"),
        *("--time=86400", "--file=/f/script.sql", "--log", "--log-prefix=/f/log"),
        "postgresql://u@h/d",
    )


@pytest.mark.parametrize(
    ("endpoint", "limit", "defined"),
    [
        ("users_list", 30, ["limit=30"]),
        ("users_insert", None, ["name=New User", "email=new.user@example.org"]),
        ("books_list", 3, ["limit=3", "ids={1,2,3}"]),
        ("books_list", 300, ["limit=300", "ids={1,2}"]),
    ],
)
def test_placeholders_stand_for_what_the_stacks_are_asked_for(
    endpoint: Endpoint, limit: int | None, defined: list[str]
) -> None:
    books = 2 if limit == 300 else 200
    found = [each for each in command(endpoint, limit, books) if each.startswith("--define=")]
    assert found == [f"--define={each}" for each in defined]


@pytest.mark.parametrize(
    ("users", "ids"), [(100, "1 + 6 * random(0, 15)"), (3, "1 + 1 * random(0, 2)")]
)
def test_users_are_chosen_among_those_that_the_stacks_are_asked_for(users: int, ids: str) -> None:
    script = pgbench.script(a_key().setting, users=users)
    assert script.startswith(f"\\set id {ids}\nSELECT ")
    assert script.endswith("WHERE id = :id;\n")


def test_books_are_the_three_statements_of_the_matched_lane() -> None:
    script = pgbench.script(a_key(endpoint="books_list", limit=20).setting, users=100)
    assert script.count(";\n") == 3
    assert ":limit" in script
    assert script.count(":ids") == 2


def test_the_password_goes_by_the_environment_and_nothing_else_of_libpq_does() -> None:
    user = {"PATH": "/bin", "PGHOST": "elsewhere", "PGPASSFILE": "/p", "PGPASSWORD": "theirs"}
    assert pgbench.environment(user, "secret") == {
        "PATH": "/bin",
        "PGPASSFILE": "/p",
        "PGPASSWORD": "secret",
        "PGTZ": "UTC",
    }
    assert pgbench.environment(user, None)["PGPASSWORD"] == "theirs"


def test_a_server_of_the_users_needs_one_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pgbench.executable(embedded=False) is None
    own = pgbench.executable(embedded=True)
    assert own is not None
    (tmp_path / "pgbench").symlink_to(own)
    assert pgbench.executable(embedded=False) == str(tmp_path / "pgbench")
