"""The two sides of a comparison: what each is, and how it becomes something to serve from."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from harness import environment
from harness.ab import trees, virtual
from harness.ab.asked import HERE, Asked, Pair, labels
from harness.ab.pairing import with_options
from harness.ab.pins import requirements
from harness.errors import BadInput
from harness.matrix import Matrix
from harness.origin import Origin
from harness.processes import Processes, finished
from harness.together import together

PROBE = Path(__file__).with_name("probe.py")
"""Never imported here: it imports the other side's adapters."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: its name, what was asked for, and the commit that this is."""

    label: str
    asked: Asked
    commit: str | None


Sides = tuple[Side, Side]


def sides(pair: Pair, stacks: Iterable[str]) -> Sides:
    """Return the sides of a comparison of `stacks`. Raises `BadInput` for an unknown revision."""
    commits = list(map(trees.commit, pair))
    one, other = map(Side, labels(pair, stacks), pair, commits)
    return one, other


def text(side: Side) -> str:
    """Return what a side is: `HEAD~1: 3f2a1c9`."""
    if side.commit is None:
        return f"{side.label}: this tree with {side.asked}"
    changed = " and what has been changed since" * (side.asked.revision == HERE)
    return f"{side.label}: {side.commit[:7]}{changed}"


@contextlib.asynccontextmanager
async def ready(
    processes: Processes, sides: Sides, matrix: Matrix, say: Callable[[str], None]
) -> AsyncIterator[tuple[Matrix, Mapping[str, Origin]]]:
    """Yield `matrix`, with the options that the code of each of its sides has, and their origins.

    Trees and environments are made, and go with the context. Raises `BadInput` for a side
    that lacks an adapter of the matrix or an option that is given by hand, or that pip cannot
    make; `NothingMeasurable` when no index answers.
    """
    async with contextlib.AsyncExitStack() as stack:
        found = [
            stack.enter_context(trees.tree(processes, each.asked, each.commit)) for each in sides
        ]
        made = await stack.enter_async_context(_environments(processes, sides, found, say))
        origins = [
            Origin(
                python=python or sys.executable,
                tree=tree,
                beside=trees.beside(tree),
                own=python is not None,
                about=trees.about(side.asked, side.commit),
            )
            for side, tree, python in zip(sides, found, made, strict=True)
        ]
        answers = await asyncio.gather(
            *(
                _answer(processes, side.label, origin, matrix, _packages(sides))
                for side, origin in zip(sides, origins, strict=True)
            )
        )
        options = {name: each for answer in answers for name, each in answer["stacks"].items()}
        yield (
            with_options(matrix, options),
            {
                side.label: replace(origin, about=_about(origin, answer))
                for side, origin, answer in zip(sides, origins, answers, strict=True)
            },
        )


def _need_their_own(sides: Sides, found: Sequence[Path]) -> bool:
    """Tell whether the sides need environments of their own, or the running one serves them.

    Both or neither: with one of them in the running environment, whatever the other's got in a
    newer version would be a difference between them, too.
    """
    here = sorted(trees.dependencies(trees.REPOSITORY))
    if any(side.asked.pins for side in sides):
        return True
    return any(sorted(trees.dependencies(tree)) != here for tree in found)


@contextlib.asynccontextmanager
async def _environments(
    processes: Processes, sides: Sides, found: Sequence[Path], say: Callable[[str], None]
) -> AsyncIterator[Sequence[str | None]]:
    """Yield the Python of each side's own environment; None where the running one will do."""
    if not _need_their_own(sides, found):
        yield [None] * len(sides)
        return
    say("making two virtual environments")
    needs = [
        requirements(trees.dependencies(tree), side.asked.pins)
        for side, tree in zip(sides, found, strict=True)
    ]
    made = [
        virtual.environment(processes, side.label, need)
        for side, need in zip(sides, needs, strict=True)
    ]
    async with together(made) as pythons:
        failed = next((each for each in pythons if isinstance(each, BaseException)), None)
        if failed is not None:
            raise failed
        yield list(map(str, pythons))


def _packages(sides: Sides) -> list[str]:
    """Return the packages whose versions are worth recording."""
    return sorted({*environment.PACKAGES, *(pin.name for each in sides for pin in each.asked.pins)})


async def _answer(
    processes: Processes, label: str, origin: Origin, matrix: Matrix, packages: Sequence[str]
) -> dict[str, Any]:
    """Ask a side what it is made of, and what options its stacks have. Raises `BadInput`."""
    mine = {name: each for name, each in matrix.stacks.items() if each.side == label}
    with processes.directory("pg-stack-harness-probe-") as folder:
        said, log = folder / "answer", folder / "log"
        asked = {
            "answer": str(said),
            "packages": packages,
            "stacks": {
                name: {"adapter": each.adapter, "lane": each.lane, "by_hand": each.by_hand}
                for name, each in mine.items()
            },
        }
        argv = [origin.python, "-c", PROBE.read_text(), orjson.dumps(asked).decode()]
        with log.open("wb") as sink:
            async with processes.start(
                argv, env=origin.environment(os.environ), cwd=origin.tree, stdout=sink, stderr=sink
            ) as process:
                code = await finished(process)
        if code != 0 or not said.exists():
            raise BadInput(
                f"{label}: its adapters cannot be asked for their options: "
                f"{virtual.last_word(log.read_text(errors='replace'))}"
            )
        answer: dict[str, Any] = orjson.loads(said.read_bytes())
    for name, each in answer["stacks"].items():
        if "error" in each:
            raise BadInput(f"{label}: stack {mine[name].own_name}: {each['error']}")
    # What this tree's adapters do not know cannot be planned, and has its default there.
    answer["stacks"] = {
        name: {k: v for k, v in answer["stacks"][name]["options"].items() if k in stack.options}
        for name, stack in mine.items()
    }
    return answer


def _about(origin: Origin, answer: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **origin.about,
        "own_environment": origin.own,
        "packages": answer["packages"],
        "python": answer["python"],
    }
