"""What is written below the fields of a dataclass: Python keeps it in the source alone."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise


def below_fields(kind: type) -> dict[str, str]:
    """Return field name -> the text below it, of a dataclass and those it extends."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__[:-1]):
        found |= dict(_below(each))
    return found


def _below(kind: type) -> Iterator[tuple[str, str]]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    for field, text in pairwise(definition.body):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(said))),
            ):
                yield name, inspect.cleandoc(said)
