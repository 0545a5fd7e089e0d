"""Rounds of load on the same servers: what came back of each, and what was held after it."""

import asyncio
from collections.abc import Sequence

from harness.bench import Bench
from harness.block.answers import Live
from harness.duration import format_duration
from harness.growth import Held
from harness.load.job import Answer
from harness.matrix import Group
from harness.model import Machine
from harness.observe.memory import rss_mib
from harness.processes import tree


class Rounds:
    """The rounds of one block so far; `held` is by stack, a reading after each round."""

    def __init__(self, live: Sequence[Live]) -> None:
        self.answers: list[Answer] = []
        self.machines: list[Machine] = []
        self.held: dict[str, list[Held]] = {each.stack.name: [] for each in live}
        self._live = live

    def had(self, answer: Answer, machine: Machine) -> None:
        """Note the answer of a round, and what the machine did meanwhile."""
        self.answers.append(answer)
        self.machines.append(machine)

    async def rest(self, bench: Bench, group: Group) -> None:
        """Let the servers be for as long as `group` asks, and read what they hold then."""
        if group.quiet is not None:
            bench.say(f"quiet for {format_duration(group.quiet)}")
            await asyncio.sleep(group.quiet)
        for each in self._live:
            held = Held(self._answered(each.stack.name), rss_mib(tree(each.server.pid)))
            self.held[each.stack.name].append(held)

    def _answered(self, name: str) -> int:
        targets = [each for answer in self.answers for each in answer.targets]
        return sum(each.answered for each in targets if each.name == name)
