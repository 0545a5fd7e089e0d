"""`[[claim]]`: what somebody says of such results, written so that a run can tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from harness.columns import columns
from harness.errors import BadInput
from harness.matrix.values import expected, show
from harness.model import Key, Summary

KEYS = tuple(columns(Key))
COLUMNS = tuple(columns(Summary))

Plain = str | int | float


def _of_key(cell: dict[str, Plain]) -> dict[str, Plain]:
    for name in cell:
        if name not in KEYS:
            raise PydanticCustomError(
                "expected",
                "expected columns that name a cell ({known}), got {name}",
                {"known": ", ".join(KEYS), "name": show(name)},
            )
    return cell


def _of_cells(name: str) -> str:
    if name not in COLUMNS:
        raise PydanticCustomError(
            "expected", "expected a column of cells.csv, got {name}", {"name": show(name)}
        )
    return name


Cells = Annotated[
    dict[str, Plain], AfterValidator(_of_key), expected("a table of a cell's key columns")
]
Number = Annotated[float, expected("a number")]


@dataclass(frozen=True)
class Expectation:
    """One figure of a claim: a column of the cells it names, or its ratio to that of others.

    `cell` names cells by some of their key columns; `over`, what is different in those they
    are divided by. `published` is the figure that was found elsewhere. Without a bound
    (`least`, `most`, `equals`) the figure is shown, and decides nothing.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    cell: Cells
    """The cells it is about, by some of their key columns."""
    column: Annotated[str, AfterValidator(_of_cells), expected("a column of cells.csv")]
    """The column of `cells.csv` that is looked at."""
    over: Cells | None = None
    """Divide by other cells: what is different in their key columns."""
    published: Plain | None = None
    """The figure that was found elsewhere."""
    least: Number | None = None
    """It holds when the figure is this or more."""
    most: Number | None = None
    """It holds when the figure is this or less."""
    equals: Annotated[str, expected("text in quotes")] | None = None
    """It holds when the column says this."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.equals is not None and (self.decides_by_number or self.over is not None):
            raise PydanticCustomError(
                "expected", "expected equals alone, for text, or bounds of a number, got both"
            )
        return self

    @property
    def decides_by_number(self) -> bool:
        """Whether a number has to keep a bound."""
        return self.least is not None or self.most is not None


@dataclass(frozen=True)
class Claim:
    """A sentence, who says it, and the figures that make it hold or not."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    says: Annotated[str, Field(min_length=1), expected("a sentence")]
    """What somebody says."""
    expect: Annotated[list[Expectation], Field(min_length=1), expected("a list of figures")]
    """The figures that make it hold or not."""
    source: Annotated[str, expected("text in quotes")] = field(default="")
    """Who says it, and where."""


def check(claims: Sequence[Claim], stacks: Mapping[str, object], groups: Sequence[str]) -> None:
    """Raise `BadInput` for a claim about a stack or a group that the matrix does not have."""
    known = {"stack": list(stacks), "group": list(groups)}
    for path, cell in _cells(claims):
        for name, among in known.items():
            if name in cell and cell[name] not in among:
                raise BadInput(
                    f"{path}.{name}: no {name} is called {show(cell[name])}; "
                    f"known: {', '.join(among)}"
                )


def about(
    claims: Sequence[Claim], stacks: Mapping[str, object], groups: Sequence[str]
) -> tuple[Claim, ...]:
    """Return those of `claims` that are about none but these stacks and groups."""

    def known(claim: Claim) -> bool:
        cells = [cell for _, cell in _cells([claim])]
        return all(
            cell.get("stack", None) in (None, *stacks)
            and cell.get("group", None) in (None, *groups)
            for cell in cells
        )

    return tuple(filter(known, claims))


def _cells(claims: Sequence[Claim]) -> list[tuple[str, Mapping[str, Plain]]]:
    return [
        (f"claim[{number}].expect[{place}].{name}", cell)
        for number, claim in enumerate(claims)
        for place, each in enumerate(claim.expect)
        for name, cell in (("cell", each.cell), ("over", each.over))
        if cell is not None
    ]
