"""Every server is asked every request once before it gets load, and compared with the others."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.block.replication import Block
from harness.ceilings import NOOP
from harness.errors import NotInstalled, ServerFailed
from harness.model import Outcome, Stack
from harness.observe.memory import rss_mib
from harness.processes import tree
from harness.server import Server, fetch


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a stack has no number in a block."""

    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class Live:
    """A stack whose server is up and gave the right answers."""

    stack: Stack
    server: Server
    bodies: tuple[bytes, ...]
    pids: tuple[int, ...]
    rss_idle_mib: float | None


async def answered(
    block: Block, stacks: Sequence[Stack], servers: Sequence[Server | BaseException]
) -> Mapping[str, Live | Refused]:
    """Ask every server every request once; keep those that answer."""
    found: dict[str, Live | Refused] = {}
    for stack, server in zip(stacks, servers, strict=True):
        if isinstance(server, ServerFailed):
            outcome: Outcome = "unsupported" if isinstance(server, NotInstalled) else "failed"
            found[stack.name] = Refused(outcome, str(server))
        elif isinstance(server, BaseException):
            raise server
        else:
            found[stack.name] = await _answers(block, stack, server)
    return found


def alike(block: Block, answers: Mapping[str, Live | Refused]) -> Mapping[str, Live | Refused]:
    """Keep those of `answers` that are as most are."""
    found = dict(answers)
    live = [each for each in found.values() if isinstance(each, Live) and each.stack != NOOP]
    if live and not any(call.varies for call in block.calls):
        # The answer most stacks give is taken for the right one; of equals, the first's.
        (right, _), *_ = Counter(each.bodies for each in live).most_common(1)
        for each in live:
            if each.bodies != right:
                found[each.stack.name] = Refused("invalid", _difference(block, each.bodies, right))
    return found


async def _answers(block: Block, stack: Stack, server: Server) -> Live | Refused:
    bodies = []
    for call in block.calls_to(stack):
        try:
            answer = await fetch(server, call.method, call.path, call.body)
        except (OSError, ValueError) as error:
            said = str(error) or type(error).__name__
            return Refused("failed", f"{call.method} {call.path}: no answer: {said}")
        if answer.status != call.status:
            said = answer.body.decode(errors="replace")[:200]
            kind = answer.headers.get("x-error", "")
            if kind == "unsupported":
                return Refused("unsupported", said)
            return Refused("failed", f"{call.method} {call.path}: {answer.status} {kind}: {said}")
        bodies.append(answer.body)
    pids = tuple(tree(server.pid))
    return Live(stack, server, tuple(bodies), pids, rss_mib(pids))


def _difference(block: Block, mine: Sequence[bytes], right: Sequence[bytes]) -> str:
    for call, body, expected in zip(block.calls, mine, right, strict=True):
        if body != expected:
            at = next(
                (i for i, (a, b) in enumerate(zip(body, expected, strict=False)) if a != b),
                min(len(body), len(expected)),
            )
            part = body[max(0, at - 10) : at + 20].decode(errors="replace")
            wanted = expected[max(0, at - 10) : at + 20].decode(errors="replace")
            return (
                f"same_answer: {call.path} differs from the other stacks at byte {at}: "
                f"{part!r}, not {wanted!r}"
            )
    raise AssertionError("called for bodies that are equal")
