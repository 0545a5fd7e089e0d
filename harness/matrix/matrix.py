"""A matrix whose parts fit together, and the narrower ones the command line asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from harness import ceilings
from harness.errors import BadInput
from harness.matrix.claims import Claim, about
from harness.matrix.options import known_to
from harness.matrix.sections import DatabaseSection, Group, Run
from harness.model import Stack

QUICK_BLOCKS = 2
"""The fewest that have an interval."""


@dataclass(frozen=True)
class Matrix:
    """Stacks resolved to complete options, groups that name only what exists."""

    name: str
    run: Run
    database: DatabaseSection
    stacks: Mapping[str, Stack]
    groups: Sequence[Group]
    claims: Sequence[Claim] = ()

    def stacks_of(self, group: Group) -> list[Stack]:
        """Return the stacks that take part in `group`, in the matrix's order."""
        return [
            stack
            for name, stack in self.stacks.items()
            if group.stacks is None or name in group.stacks
        ]

    def ceilings_of(self, group: Group) -> tuple[Stack, ...]:
        """Return what is measured beside the stacks of `group` without being one.

        Nothing where load is not a closed loop of `concurrency`: a ceiling is a rate that could
        be had, not one that was asked for.
        """
        asked_for = group.rate is not None or group.slo is not None
        return ceilings.ALL if self.run.ceilings and not asked_for else ()

    def baseline_of(self, group: Group) -> str | None:
        """Return the stack the others of `group` are compared with, if it has one."""
        members = [stack.name for stack in self.stacks_of(group)]
        wanted = group.baseline or self.run.baseline
        return wanted if wanted in members else (members[0] if len(members) > 1 else None)

    def group(self, name: str) -> Group:
        """Return the group called `name`."""
        return next(group for group in self.groups if group.name == name)


def narrowed(matrix: Matrix, patterns: Sequence[str]) -> Matrix:
    """Keep the groups and the stacks whose name matches any glob (`--only`).

    A pattern that matches groups selects those groups; one that matches stacks
    selects those stacks, in every group selected. Raises `BadInput` when nothing is left.
    """
    groups = [g for g in matrix.groups if any(fnmatchcase(g.name, p) for p in patterns)]
    names = [n for n in matrix.stacks if any(fnmatchcase(n, p) for p in patterns)]
    unmatched = [
        p
        for p in patterns
        if not any(fnmatchcase(n, p) for n in (*(g.name for g in matrix.groups), *matrix.stacks))
    ]
    if unmatched:
        raise BadInput(
            f"--only {unmatched[0]}: matches no group ({', '.join(g.name for g in matrix.groups)}) "
            f"and no stack ({', '.join(matrix.stacks)})"
        )
    stacks = {n: s for n, s in matrix.stacks.items() if not names or n in names}
    kept = [g for g in (groups or matrix.groups) if g.stacks is None or stacks.keys() & g.stacks]
    if not kept:
        raise BadInput(f"--only {' '.join(patterns)}: no group holds any of these stacks")
    run = replace(matrix.run, baseline=_if_in(stacks, matrix.run.baseline))
    among = tuple(_among(stacks, g) for g in kept)
    claims = about(matrix.claims, stacks, [g.name for g in among])
    return replace(matrix, run=run, stacks=stacks, groups=among, claims=claims)


def _among(stacks: Mapping[str, Stack], group: Group) -> Group:
    """Return `group` naming none but `stacks`: what is left must read back as a matrix."""
    names = None if group.stacks is None else [name for name in group.stacks if name in stacks]
    members = [stacks[name] for name in (stacks if names is None else names)]
    return replace(
        group,
        stacks=names,
        baseline=_if_in(stacks, group.baseline),
        options=known_to(members, group.options),
    )


def _if_in(stacks: Mapping[str, Stack], name: str | None) -> str | None:
    return name if name in stacks else None


def quick(matrix: Matrix) -> Matrix:
    """Return the same matrix with what `--quick` asks for: two short blocks of every cell."""
    run = replace(
        matrix.run, warmup=0.25, measure=0.5, slice=0.1, min_blocks=2, max_blocks=QUICK_BLOCKS
    )
    return replace(matrix, run=run)
