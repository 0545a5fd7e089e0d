"""The real things that tests are about: a Postgres with the dataset, for the whole session."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import settings

from harness import stepsummary
from harness.database.address import Address
from harness.database.dataset import dataset
from harness.database.embedded import cluster
from harness.processes import Processes, watched

settings.register_profile("any machine", deadline=None)  # how long an example takes is no test
settings.load_profile("any machine")

USERS = 100
BOOKS = 200


@dataclass(frozen=True)
class Database:
    """The session's cluster. `dsn` holds no password; `password` goes by PGPASSWORD."""

    address: Address
    postmaster_pid: int
    dsn: str
    password: str


@pytest.fixture(scope="session", autouse=True)
def no_workflow() -> Iterator[None]:
    """Keep what tests run off the page of the workflow that runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(stepsummary.VARIABLE, raising=False)
        yield


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    with watched() as started:
        yield started


@pytest.fixture(scope="session")
def database(processes: Processes) -> Iterator[Database]:
    """Yield an embedded Postgres that holds the dataset, and put its password in PGPASSWORD."""
    stack = contextlib.AsyncExitStack()
    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as patch:

        async def start() -> Database:
            address, pid = await stack.enter_async_context(
                cluster(processes, {"max_connections": 100, "synchronous_commit": "off"})
            )
            await stack.enter_async_context(dataset(address, users=USERS, books=BOOKS))
            assert address.password is not None
            return Database(address, pid, address.dsn("harness-tests"), address.password)

        started = runner.run(start())
        patch.setenv("PGPASSWORD", started.password)
        patch.setenv("PGTZ", "UTC")
        try:
            yield started
        finally:
            runner.run(stack.aclose())
