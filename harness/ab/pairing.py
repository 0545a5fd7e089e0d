"""A matrix in which every stack stands twice, once for each side, and is compared with itself.

Pure. Each stack has a group of its own for every group that it takes part in, so that a block
holds its two sides and nothing else: all that a comparison of pairs needs.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from harness.errors import BadInput
from harness.matrix import Group, Matrix
from harness.matrix.options import known_to
from harness.model import Stack

LONGEST_NAME = 48
"""Of a group, as a matrix may have it."""


def paired(matrix: Matrix, sides: tuple[str, str]) -> Matrix:
    """Return `matrix` with each stack as both `sides` serve it; the first is the baseline.

    Results go into another folder, and there are no ceilings: they would be the same for both.
    Raises `BadInput` when nothing is left, or a group's new name would be too long.
    """
    parts = list(_parts(matrix))
    if not parts:
        raise BadInput("ab: no stack takes part in any group")
    often = Counter(stack.name for _, stack in parts)
    stacks = {stack.name: stack for _, stack in parts}
    twins = [_twin(each, side) for each in stacks.values() for side in sides]
    return replace(
        matrix,
        name=f"{matrix.name}-ab",
        run=replace(matrix.run, name=None, baseline=None, ceilings=False),
        stacks={each.name: each for each in twins},
        groups=_named(
            [_group(group, stack, sides, alone=often[stack.name] == 1) for group, stack in parts]
        ),
        claims=(),
    )


def with_options(matrix: Matrix, options: Mapping[str, Mapping[str, object]]) -> Matrix:
    """Return `matrix` with the `options` that each stack, by its name, has on its side."""
    return replace(
        matrix,
        stacks={
            name: replace(stack, options=options[name]) for name, stack in matrix.stacks.items()
        },
    )


def _parts(matrix: Matrix) -> Iterator[tuple[Group, Stack]]:
    """Yield each group with each of its stacks that can take part in a setting of it."""
    for group in matrix.groups:
        for stack in matrix.stacks_of(group):
            if known_to([stack], group.options).keys() == group.options.keys():
                yield group, stack


def _twin(stack: Stack, side: str) -> Stack:
    return replace(stack, name=f"{stack.name}@{side}", side=side)


def _group(group: Group, stack: Stack, sides: tuple[str, str], *, alone: bool) -> Group:
    """Return the group of one stack, which has its name where no other group has that stack."""
    names = [_twin(stack, side).name for side in sides]
    return replace(
        group,
        name=stack.name if alone else f"{group.name}.{stack.name}",
        stacks=names,
        baseline=names[0],
        options=known_to([stack], group.options),
    )


def _named(groups: list[Group]) -> list[Group]:
    often = Counter(each.name for each in groups)
    for each in groups:
        if len(each.name) > LONGEST_NAME or often[each.name] > 1:
            raise BadInput(
                f"ab: a group would be called {each.name}, which is "
                + ("too long" if len(each.name) > LONGEST_NAME else "another's name")
                + "; give its stack or its group another name"
            )
    return groups
