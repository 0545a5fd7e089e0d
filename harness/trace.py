"""`trace STACK ENDPOINT`: what one warm request of a stack says to its database."""

from dataclasses import replace
from typing import get_args

from harness import affinity, plan
from harness.bench import prepared
from harness.errors import BadInput, ServerFailed
from harness.matrix import Matrix
from harness.model import DEFAULT_LIMITS, Endpoint, Setting
from harness.processes import Processes
from harness.serving import named, place
from harness.traced import stories
from harness.wire.story import Story

ENDPOINTS: tuple[Endpoint, ...] = get_args(Endpoint)


async def trace(matrix: Matrix, name: str, endpoint: str, processes: Processes) -> Story:
    """Serve the stack called `name` on a database of the matrix's and listen to one request.

    Raises `BadInput` for an unknown stack or endpoint, and for an endpoint that the stack's
    options rule out, before anything is started.
    """
    setting, stack = place(matrix, named(matrix, name))
    known = next((each for each in ENDPOINTS if each == endpoint), None)
    if known is None:
        raise BadInput(f"{endpoint}: no such endpoint; there are {', '.join(ENDPOINTS)}")
    asked = _of(setting, known)
    refused = plan.refusal(stack, asked)
    if refused is not None:
        raise BadInput(f"{name}: {known}: {refused}")
    async with prepared(matrix, processes, affinity.ANYWHERE, lambda _: None) as bench:
        [story] = await stories(bench, stack, [asked])
    if isinstance(story, ServerFailed):
        raise story
    return story


def _of(setting: Setting, endpoint: Endpoint) -> Setting:
    """Return `setting` with another endpoint, and that one's own limit."""
    if setting.endpoint == endpoint:
        return setting
    return replace(setting, endpoint=endpoint, limit=DEFAULT_LIMITS.get(endpoint))
