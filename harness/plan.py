"""What is measured, in which order: settings, passes over them, rounds of slices. Pure.

Breadth-first: a pass gives every setting one block before any gets a second, so a
run may stop at any moment with all cells equally known. Order is random (nothing
that drifts may favour a stack or a setting) and seeded (a run can be repeated).
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count, product

from harness.ceilings import NOOP, SHARE
from harness.matrix import Group, Matrix, via
from harness.matrix import options as of_adapter
from harness.model import DEFAULT_LIMITS, Key, Schedule, Setting, Stack, key

ROUNDS = 64
"""Orders sent with a block; a longer block uses them again from the first."""

SEARCH_MEASURES = 8
"""What a stack's search for capacity takes, in `run.measure`: 10 to 20 probes of a quarter or
longer, and a verification or two."""

LEAST_SEARCH_S = 8.0
"""What it takes where `run.measure` is short, and probes go on for want of answers."""


def settings(matrix: Matrix) -> list[Setting]:
    """Return every setting of the matrix, in its order."""
    return [setting for group in matrix.groups for setting in _settings(group)]


def _settings(group: Group) -> Iterator[Setting]:
    rates: Sequence[float | None] = group.rate or [None]
    axes = product(
        group.endpoint, group.concurrency, rates, group.pool_size, group.workers, group.rtt
    )
    for endpoint, concurrency, rate, pool_size, workers, rtt in axes:
        rtt_ms = round(1000 * rtt, 3)
        limits: Sequence[int | None] = [None]
        if endpoint in DEFAULT_LIMITS:
            limits = group.limit or [DEFAULT_LIMITS[endpoint]]
        for limit, options in product(limits, group.combinations):
            yield Setting(
                group.name, endpoint, limit, concurrency, rate, pool_size, workers, rtt_ms, options
            )


def cells(matrix: Matrix) -> list[Key]:
    """Return the key of every cell of the matrix, in its order."""
    return [each for setting in settings(matrix) for each in cells_in(matrix, setting)]


def cells_in(matrix: Matrix, setting: Setting) -> list[Key]:
    """Return the key of every cell of `setting`, in the order of its stacks."""
    return [key(setting, stack) for stack in matrix.stacks_of(matrix.group(setting.group))]


def ceilings(matrix: Matrix) -> list[Key]:
    """Return the key of every ceiling's cell of the matrix, in its order."""
    return [each for setting in settings(matrix) for each in ceilings_in(matrix, setting)]


def ceilings_in(matrix: Matrix, setting: Setting) -> list[Key]:
    """Return the keys of the ceilings of `setting`."""
    return [key(setting, each) for each in matrix.ceilings_of(matrix.group(setting.group))]


def members(matrix: Matrix, setting: Setting) -> list[Stack]:
    """Return the stacks of `setting`, each with the options that it has there."""
    group = matrix.group(setting.group)
    stacks, swept = matrix.stacks_of(group), group.combinations[setting.options]
    if not swept:
        return stacks
    return [replace(stack, options={**stack.options, **swept}) for stack in stacks]


def refusals(matrix: Matrix, setting: Setting) -> dict[str, str]:
    """Return, by the names of the stacks that cannot take part in `setting`, why not."""
    return {
        stack.name: reason
        for stack in members(matrix, setting)
        if (reason := refusal(stack, setting)) is not None
    }


def stacks(matrix: Matrix, setting: Setting) -> list[Stack]:
    """Return the stacks that take part in `setting`, each with the options it has there."""
    return [stack for stack in members(matrix, setting) if refusal(stack, setting) is None]


def refusal(stack: Stack, setting: Setting) -> str | None:
    """Return why `stack`, as `members` has it, cannot do what `setting` asks; None when it can."""
    refused = of_adapter.refusal(stack.adapter, options(stack, setting), setting.endpoint)
    return refused or via.refusal(stack.via, stack.options)


def passes(matrix: Matrix) -> Iterator[tuple[int, list[Setting]]]:
    """Yield (block number from 1, settings in the order of that pass), up to `max_blocks`."""
    for number in count(1):
        if number > matrix.run.max_blocks:
            return
        order = settings(matrix)
        random.Random(f"{matrix.run.seed} pass {number}").shuffle(order)
        yield number, order


def rounds(matrix: Matrix, setting: Setting, block: int, stacks: int) -> list[tuple[int, ...]]:
    """Return orders of the indices of `stacks`, each a random permutation of them all."""
    source = random.Random(f"{matrix.run.seed} rounds {setting} {block}")
    return [tuple(source.sample(range(stacks), stacks)) for _ in range(ROUNDS)]


def starts(matrix: Matrix, setting: Setting, block: int, stacks: Sequence[Stack]) -> list[Stack]:
    """Return `stacks` in the order in which a block starts their servers, and connects to them."""
    source = random.Random(f"{matrix.run.seed} starts {setting} {block}")
    return source.sample(list(stacks), len(stacks))


def connections(stack: Stack, setting: Setting) -> int:
    """Return the most connections `stack` may open: workers x (pool + overflow).

    SQLAlchemy's overflow of -1 has no end: then it is one for each request under way.
    """
    if stack == NOOP:
        return 0
    overflow = stack.options.get("max_overflow", 0)
    if not isinstance(overflow, int):
        overflow = 0
    most = setting.pool_size + overflow if overflow >= 0 else setting.concurrency
    return setting.workers * max(setting.pool_size, most)


def schedule(matrix: Matrix, setting: Setting, stacks: Sequence[Stack], available: int) -> Schedule:
    """Return how a setting's block runs: all servers at once unless they cannot all connect."""
    together = sum(connections(stack, setting) for stack in stacks)
    return "sequential" if together > available else matrix.run.schedule


def load_s(matrix: Matrix, group: Group, shares: float) -> float:
    """Return how long the load of a block takes that goes to `shares` stacks of `group`.

    A search for the capacity under an SLO takes as long as its server lets it, within
    bounds: then this is what is usual.
    """
    measure_s = matrix.run.measure
    if group.slo is not None:
        measure_s = max(SEARCH_MEASURES * measure_s, LEAST_SEARCH_S)
    return shares * (matrix.run.warmup + measure_s)


def block_s(matrix: Matrix, setting: Setting, overhead_s: float) -> float:
    """Return how long a block of `setting` takes, given what one costs beside its load."""
    group, count = matrix.group(setting.group), len(stacks(matrix, setting))
    if not count:
        return 0.0
    given_s = load_s(matrix, group, count + SHARE * len(matrix.ceilings_of(group)))
    return group.rounds * (given_s + (group.quiet or 0.0)) + overhead_s


def options(stack: Stack, setting: Setting) -> Mapping[str, object]:
    """Return the options that `stack`, as `members` has it, is served with."""
    return {**stack.options, "pool_size": setting.pool_size}
