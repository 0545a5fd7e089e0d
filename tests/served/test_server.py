"""Real Granian, real Postgres: a served stack from its start to its last process."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import psutil
import psycopg
import pytest
from psycopg.rows import scalar_row

from harness.errors import BadInput, ServerFailed
from harness.processes import Processes
from harness.server import Server, fetch, serve, served_environment
from harness.together import together
from tests.adapters.stacks import NAMES, without_overflow
from tests.conftest import Database

LONG_S = 60.0
"""A deadline that no test waits for: what fails must say so long before."""


@pytest.fixture
def served(processes: Processes, database: Database) -> "Served":
    return Served(processes, database)


class Served:
    """`serve` with what the tests have in common filled in."""

    def __init__(self, processes: Processes, database: Database) -> None:
        self.processes = processes
        self.database = database

    @contextlib.asynccontextmanager
    async def __call__(
        self,
        adapter: str,
        *,
        dsn: str | None = None,
        workers: int = 1,
        port: int | None = None,
        **options: Any,
    ) -> AsyncIterator[Server]:
        async with serve(
            self.processes,
            name=adapter,
            adapter=adapter,
            options={"pool_size": 2, **options},
            dsn=dsn or self.database.dsn,
            password=self.database.password,
            workers=workers,
            connections=16,
            cpus=None,
            port=port,
            deadline_s=LONG_S,
        ) as server:
            yield server

    def failure(self, adapter: str, **given: Any) -> str:
        async def start() -> None:
            async with self(adapter, **given):
                pass

        with pytest.raises(ServerFailed) as caught:
            asyncio.run(start())
        return str(caught.value)


@pytest.fixture(scope="module")
def four(processes: Processes, database: Database) -> Iterator[Mapping[str, Server]]:
    """Yield a server of every stack, started side by side, with a pool of two connections."""
    served, stack = Served(processes, database), contextlib.AsyncExitStack()
    with asyncio.Runner() as runner:
        contexts = [served(each, pool_timeout=0.2, **without_overflow(each)) for each in NAMES]
        servers = runner.run(stack.enter_async_context(together(contexts)))
        try:
            yield {each.name: each for each in servers if isinstance(each, Server)}
        finally:
            runner.run(stack.aclose())


async def eventually(found: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(LONG_S):
        while not await found():
            pass


async def backends(dsn: str, application: str) -> int:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        cursor = connection.cursor(row_factory=scalar_row)
        await cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", (application,)
        )
        return int(await cursor.fetchone() or 0)


async def waits_for_a_lock(dsn: str) -> bool:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        cursor = await connection.execute("SELECT 1 FROM pg_locks WHERE NOT granted")
        return cursor.rowcount > 0


async def refuses(server: Server) -> bool:
    try:
        await fetch(server, "GET", "/noop", timeout_s=0.2)
    except (OSError, ValueError):  # ValueError: taken from the backlog, and closed
        return True
    return False


@pytest.mark.parametrize("name", NAMES)
def test_every_endpoint_of_every_stack_answers(four: Mapping[str, Server], name: str) -> None:
    server = four[name]

    async def story() -> None:
        user = await fetch(server, "GET", "/users/7")
        assert (user.status, user.headers["content-type"]) == (200, "application/json")
        assert list(orjson.loads(user.body)) == ["id", "name", "email", "created_at"]
        assert orjson.loads(user.body)["id"] == 7

        assert len(orjson.loads((await fetch(server, "GET", "/users")).body)) == 100
        assert len(orjson.loads((await fetch(server, "GET", "/users?limit=3")).body)) == 3
        assert len(orjson.loads((await fetch(server, "GET", "/books")).body)) == 20
        assert len(orjson.loads((await fetch(server, "GET", "/books?limit=2")).body)) == 2

        created = await fetch(server, "POST", "/users", {"name": "a", "email": "b"})
        assert created.status == 201
        assert orjson.loads(created.body)["name"] == "a"
        fixed = await fetch(server, "GET", "/users/insert-data-to-test")
        assert fixed.status == 200
        assert orjson.loads(fixed.body)["id"] > orjson.loads(created.body)["id"]

        assert (await fetch(server, "GET", "/noop")).body == b'{"ok":true}'

    asyncio.run(story())


def test_servers_started_side_by_side_have_ports_of_their_own_and_answer_alike(
    four: Mapping[str, Server],
) -> None:
    async def books() -> list[bytes]:
        return [(await fetch(server, "GET", "/books")).body for server in four.values()]

    assert tuple(four) == NAMES
    assert len({server.port for server in four.values()}) == len(NAMES)
    assert len(set(asyncio.run(books()))) == 1


def test_what_a_client_gets_wrong_is_its_own_fault(four: Mapping[str, Server]) -> None:
    bodies: list[object] = [None, [], {"name": "a"}, {"name": 1, "email": "b"}]
    server = four["asyncpg_pool"]

    async def statuses() -> list[int]:
        asked = [
            await fetch(server, "GET", path)
            for path in (
                "/users/1000000",
                f"/users/{2**64}",
                "/users?limit=0",
                "/users?limit=many",
                "/users?limit=-1",
                "/books?limit=99999999999999999999",
                "/books?limit=",
            )
        ]
        asked += [await fetch(server, "POST", "/users", body) for body in bodies]
        assert all("x-error" not in answer.headers for answer in asked)
        assert all(orjson.loads(answer.body)["error"] for answer in asked)
        return [answer.status for answer in asked]

    assert asyncio.run(statuses()) == [404, 404, *[400] * 9]


@pytest.mark.parametrize("name", NAMES)
def test_an_exhausted_pool_is_503_and_says_which_class(
    four: Mapping[str, Server], database: Database, name: str
) -> None:
    server = four[name]

    async def story() -> None:
        async with await psycopg.AsyncConnection.connect(database.dsn) as holder:
            await holder.execute("LOCK TABLE harness.users IN ACCESS EXCLUSIVE MODE")
            all_three = [asyncio.ensure_future(fetch(server, "GET", "/users/7")) for _ in range(3)]
            done, _ = await asyncio.wait(all_three, return_when=asyncio.FIRST_COMPLETED)
        [refused] = [each.result() for each in done]
        assert (refused.status, refused.headers["x-error"]) == (503, "pool_timeout")
        assert refused.body
        statuses = [answer.status for answer in await asyncio.gather(*all_three)]
        assert sorted(statuses) == [200, 200, 503]

    asyncio.run(story())


ODD_ADAPTER = """
from contextlib import asynccontextmanager
from adapters.base import PoolOptions as Options, Unsupported

class Odd:
    async def list_users(self, limit):
        raise RuntimeError("first line\\nsecond line")
    async def get_user(self, user_id):
        return b'{"as it":  "is"}'
    async def list_books(self, limit):
        raise Unsupported("it has no books")

@asynccontextmanager
async def connect(dsn, options):
    yield Odd()
"""


def test_a_module_in_the_users_folder_is_served_and_its_failures_are_told_apart(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "stack.py").write_text(ODD_ADAPTER)
    monkeypatch.chdir(tmp_path)

    async def story() -> None:
        async with served("odd.stack") as server:
            assert (await fetch(server, "GET", "/users/1")).body == b'{"as it":  "is"}'

            broken = await fetch(server, "GET", "/users")
            assert (broken.status, broken.headers["x-error"]) == (500, "app")
            assert broken.body == b"first line"

            missing = await fetch(server, "GET", "/books")
            assert (missing.status, missing.headers["x-error"]) == (501, "unsupported")
            assert missing.body == b"it has no books"

    asyncio.run(story())


def test_a_start_that_fails_says_why(served: Served) -> None:
    nowhere = served.database.dsn.replace("/postgres?", "/nowhere?")
    assert "unknown adapter 'asyncgp'; available: asyncpg_pool" in served.failure("asyncgp")
    assert "asyncpg_pool: app: TypeError" in served.failure("asyncpg_pool", colour="red")
    said = served.failure("sqlalchemy_sync", dsn=nowhere)
    assert said.startswith("sqlalchemy_sync: database: ")
    assert 'database "nowhere" does not exist' in said


def test_more_connections_than_the_server_has_fail_as_too_many_clients(served: Served) -> None:
    said = served.failure("psycopg_pool", pool_size=200)
    assert said.startswith("psycopg_pool: too_many_clients: ")


def test_a_server_that_dies_before_it_is_ready_says_its_last_word(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fatal").mkdir()
    (tmp_path / "fatal" / "stack.py").write_text(
        "import os, sys\nprint('MemoryError: all gone', file=sys.stderr, flush=True)\nos._exit(9)\n"
    )
    monkeypatch.chdir(tmp_path)
    said = served.failure("fatal.stack")
    assert "the server stopped" in said
    assert "MemoryError: all gone" in said


def test_a_taken_port_is_refused_before_anything_starts(served: Served) -> None:
    async def start(port: int) -> None:
        async with served("asyncpg_pool", port=port):
            pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(BadInput, match=f"port {port} is taken"):
            asyncio.run(start(port))


def test_a_served_port_is_taken_for_others_and_free_afterwards(served: Served) -> None:
    async def story() -> None:
        async with served("asyncpg_pool") as first:
            with pytest.raises(BadInput, match="is taken"):
                async with served("asyncpg_pool", port=first.port):
                    pass
        async with served("asyncpg_pool", port=first.port) as second:
            assert second.url == f"http://127.0.0.1:{first.port}"
            assert (await fetch(second, "GET", "/noop")).status == 200

    asyncio.run(story())


def test_two_workers_have_a_pool_each_and_nothing_is_left_after(served: Served) -> None:
    application = "two-workers"
    dsn = served.database.address.dsn(application)

    async def story() -> None:
        async with served("psycopg_pool", dsn=dsn, workers=2) as server:
            assert len(server.worker_pids) == 2
            assert {psutil.Process(pid).ppid() for pid in server.worker_pids} == {server.pid}
            assert await backends(served.database.dsn, application) == 4
            await asyncio.gather(*(fetch(server, "GET", "/users/7") for _ in range(8)))
        assert not [pid for pid in (server.pid, *server.worker_pids) if psutil.pid_exists(pid)]
        with pytest.raises(ConnectionRefusedError):
            await fetch(server, "GET", "/noop")

        async def gone() -> bool:
            return await backends(served.database.dsn, application) == 0

        await eventually(gone)

    asyncio.run(story())


def test_a_request_in_flight_is_answered_before_the_server_stops(served: Served) -> None:
    async def story() -> int:
        stack = contextlib.AsyncExitStack()
        server = await stack.enter_async_context(served("asyncpg_pool"))
        async with await psycopg.AsyncConnection.connect(served.database.dsn) as holder:
            await holder.execute("LOCK TABLE harness.users IN ACCESS EXCLUSIVE MODE")
            request = asyncio.ensure_future(fetch(server, "GET", "/users/7"))
            await eventually(lambda: waits_for_a_lock(served.database.dsn))
            stopping = asyncio.ensure_future(stack.aclose())
            await eventually(lambda: refuses(server))
        answer = await request
        await stopping
        return answer.status

    assert asyncio.run(story()) == 200


def test_the_password_is_in_the_environment_and_nowhere_else(
    four: Mapping[str, Server], database: Database
) -> None:
    worker = psutil.Process(four["asyncpg_pool"].worker_pids[0])
    command, environment = " ".join(worker.cmdline()), worker.environ()
    password = database.password
    assert password not in command
    assert [key for key, value in environment.items() if password in value] == ["PGPASSWORD"]


def test_the_users_variables_do_not_redirect_or_retune_a_server() -> None:
    user = {
        "PATH": "/bin",
        "PGHOST": "elsewhere",
        "PGOPTIONS": "-c jit=on",
        "PGSERVICE": "other",
        "PGTZ": "Asia/Tokyo",
        "PGPASSFILE": "/home/me/.pgpass",
        "GRANIAN_WORKERS": "9",
    }
    assert served_environment(user, "{}", "secret") == {
        "PATH": "/bin",
        "PGPASSFILE": "/home/me/.pgpass",
        "HARNESS_APP": "{}",
        "PGTZ": "UTC",
        "PGPASSWORD": "secret",
    }


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the platform cannot pin")
def test_a_server_runs_on_the_cores_it_is_given(processes: Processes, database: Database) -> None:
    core = min(os.sched_getaffinity(0))

    async def cores() -> list[set[int]]:
        async with serve(
            processes,
            name="pinned",
            adapter="sqlalchemy_sync",
            options={"pool_size": 1},
            dsn=database.dsn,
            password=database.password,
            workers=1,
            connections=1,
            cpus=frozenset({core}),
        ) as server:
            [worker] = server.worker_pids
            threads = psutil.Process(worker).threads()
            return [os.sched_getaffinity(each.id) for each in threads]

    assert all(each == {core} for each in asyncio.run(cores()))
