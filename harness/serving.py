"""`serve STACK`: one stack's app on its own database, ready for curl or wrk, until Ctrl-C."""

import asyncio
from collections.abc import Callable

from harness import affinity, plan
from harness.bench import prepared
from harness.block import application_name
from harness.errors import BadInput, ServerFailed
from harness.matrix import Matrix
from harness.model import Setting, Stack
from harness.processes import Processes, running
from harness.server import serve
from harness.via import way

CONNECTIONS = 1024
"""What the server is made ready for: whoever loads it does not say beforehand."""

WATCH_EVERY_S = 0.2


async def serve_stack(
    matrix: Matrix,
    name: str,
    port: int | None,
    processes: Processes,
    say: Callable[[str], None],
) -> None:
    """Serve the stack called `name` until cancelled.

    Raises `BadInput` for an unknown stack or a taken port, `ServerFailed` when the
    server does not start or ends by itself.
    """
    setting, stack = place(matrix, named(matrix, name))
    async with (
        prepared(matrix, processes, affinity.ANYWHERE, lambda _: None) as bench,
        way(bench, stack, setting, bench.address, application_name(stack)) as found,
        serve(
            processes,
            name=name,
            adapter=stack.adapter,
            options=plan.options(stack, setting),
            dsn=found.address.dsn(application_name(stack)),
            password=found.address.password,
            workers=setting.workers,
            connections=CONNECTIONS,
            cpus=None,
            port=port,
        ) as server,
    ):
        say(f"{name} on {server.url} (pool of {setting.pool_size}, {setting.workers} worker)")
        for path in ("users?limit=100", "users/7", "books?limit=20", "noop"):
            say(f"  curl '{server.url}/{path}'")
        say(f'  curl -d \'{{"name": "Ada", "email": "ada@example.org"}}\' {server.url}/users')
        say("Ctrl-C ends it")
        while running(server.pid):  # noqa: ASYNC110 - its end is no event of ours
            await asyncio.sleep(WATCH_EVERY_S)
        raise ServerFailed(f"{name}: the server ended by itself")


def named(matrix: Matrix, name: str) -> Stack:
    """Return the stack called `name`. Raises `BadInput`, which lists those there are."""
    if name not in matrix.stacks:
        raise BadInput(f"{name}: no such stack; the matrix has {', '.join(matrix.stacks)}")
    return matrix.stacks[name]


def place(matrix: Matrix, stack: Stack) -> tuple[Setting, Stack]:
    """Return the first setting of the matrix that the stack takes part in, and the stack there."""
    for setting in plan.settings(matrix):
        for each in plan.stacks(matrix, setting):
            if each.name == stack.name:
                return setting, each
    return Setting("", "users_get", None, 1, None, 10, 1, 0.0), stack
