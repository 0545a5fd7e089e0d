"""How often each stack of a run waits for its database in one warm request, counted once each."""

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import replace

from harness import plan
from harness.bench import Bench
from harness.errors import BadInput, ServerFailed
from harness.model import Observation, Setting, Stack, Wire
from harness.traced import stories
from harness.wire.story import Story

Counts = dict[Hashable, int | None]


class RoundTrips:
    """The round trips of the stacks of one run, counted on servers of their own.

    Never on one that is timed: what listens costs time. A stack is served once for all its
    endpoints, with one connection: neither the size of a pool nor load changes what is said.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._counted: Counts = {}

    def credited(self, setting: Setting, rows: Sequence[Observation]) -> list[Observation]:
        """Return the rows of a block of `setting`, each with its round trips if they are known."""
        stacks = {each.name: each for each in plan.stacks(self._bench.matrix, setting)}
        return [
            row
            if row.key.stack not in stacks
            else replace(row, wire=Wire(self._counted.get(_what(stacks[row.key.stack], setting))))
            for row in rows
        ]

    async def count(self, setting: Setting) -> None:
        """Count those of the stacks of `setting`, unless that has been done or is not asked for."""
        matrix = self._bench.matrix
        stacks = [
            stack
            for stack in plan.stacks(matrix, setting)
            if matrix.run.round_trips and _what(stack, setting) not in self._counted
        ]
        if not stacks:
            return
        self._bench.say("counting round trips")
        for counts in await asyncio.gather(*(self._stack(each, setting) for each in stacks)):
            self._counted |= counts

    async def _stack(self, stack: Stack, setting: Setting) -> Counts:
        """Count the round trips of every request that `stack` is asked for when served so."""
        matrix = self._bench.matrix
        asked = {
            _what(stack, each): replace(each, pool_size=1)
            for each in plan.settings(matrix)
            for member in plan.stacks(matrix, each)
            if _served(member, each) == _served(stack, setting)
        }
        try:
            told = await stories(self._bench, stack, list(asked.values()))
        except (BadInput, ServerFailed):  # the block says what is wrong with it
            return dict.fromkeys(asked)
        return {
            what: story.totals.round_trips if isinstance(story, Story) else None
            for what, story in zip(asked, told, strict=True)
        }


def _served(stack: Stack, setting: Setting) -> Hashable:
    """Return what decides how `stack` talks to its database."""
    options = plan.options(stack, setting)
    return stack.name, *sorted((k, str(v)) for k, v in options.items() if k != "pool_size")


def _what(stack: Stack, setting: Setting) -> Hashable:
    return _served(stack, setting), setting.endpoint, setting.limit
