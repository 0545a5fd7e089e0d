"""One warm request to a served stack, and all it said to its database."""

import time
from collections.abc import Sequence
from dataclasses import replace

from harness import endpoints, plan
from harness.bench import Bench
from harness.block import application_name
from harness.errors import BadInput, ServerFailed
from harness.model import Setting, Stack
from harness.server import Answer, Server, fetch, serve
from harness.via import way
from harness.wire.story import Story
from harness.wire.tap import HOST, Tap, tapped

WARM_UPS = 6
"""Requests that each connection has had before the one that is traced: psycopg prepares a
statement when it comes for the sixth time."""

QUIET_S = 0.05
"""Silence after which nothing more is expected of a request: a session may be closed after it."""

OVER_WITHIN_S = 3.0


async def stories(
    bench: Bench, stack: Stack, settings: Sequence[Setting]
) -> list[Story | ServerFailed]:
    """Serve `stack` as the first of `settings` says; return the story of a request of each.

    Or, in its place, why it was not answered as it should be. One worker serves it, so that
    every request is seen. Raises `BadInput` when the connections are encrypted,
    `ServerFailed` when the server does not start.
    """
    setting = replace(settings[0], workers=1)
    name = application_name(stack)
    async with (
        way(bench, stack, setting, bench.address, name) as found,
        tapped(found.address.host, found.address.port) as tap,
    ):
        through = replace(found.address, host=HOST, port=tap.port)
        async with serve(
            bench.processes,
            name=stack.name,
            adapter=stack.adapter,
            options=plan.options(stack, setting),
            dsn=through.dsn(name),
            password=through.password,
            workers=1,
            connections=1,
            cpus=None,
            origin=bench.origin(stack),
        ) as server:
            if tap.encrypted:
                raise BadInput(
                    f"{stack.name}: its connections are encrypted and cannot be listened to; "
                    "give a DSN with sslmode=disable"
                )
            return [await _told(bench, server, tap, stack, each) for each in settings]


async def _told(
    bench: Bench, server: Server, tap: Tap, stack: Stack, setting: Setting
) -> Story | ServerFailed:
    try:
        return await _story(bench, server, tap, stack, setting)
    except ServerFailed as error:
        return error


async def _story(bench: Bench, server: Server, tap: Tap, stack: Stack, setting: Setting) -> Story:
    call = endpoints.calls_of(setting, bench.matrix.database.users)[0]
    for _ in range(WARM_UPS * setting.pool_size):
        await _asked(server, stack, call)
    await tap.quiet(QUIET_S, OVER_WITHIN_S)
    tap.forget()
    asked_ns = time.monotonic_ns()
    answer = await _asked(server, stack, call)
    answered_ns = time.monotonic_ns()
    await tap.quiet(QUIET_S, OVER_WITHIN_S)
    return Story(
        stack=stack.name,
        endpoint=setting.endpoint,
        method=call.method,
        path=call.path,
        status=answer.status,
        size=len(answer.body),
        asked_ns=asked_ns,
        answered_ns=answered_ns,
        trips=tap.trips,
    )


async def _asked(server: Server, stack: Stack, call: endpoints.Call) -> Answer:
    where = f"{stack.name}: {call.method} {call.path}"
    try:
        answer = await fetch(server, call.method, call.path, call.body)
    except (OSError, ValueError) as error:
        raise ServerFailed(f"{where}: no answer: {str(error) or type(error).__name__}") from error
    if answer.status != call.status:
        said = " ".join(answer.body.decode(errors="replace").split())[:200]
        kind = answer.headers.get("x-error", "")
        raise ServerFailed(f"{where}: {answer.status} {kind}: {said}")
    return answer
