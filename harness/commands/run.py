"""The main job: `python -m harness matrix.toml`."""

from pathlib import Path
from typing import Any

import click

from harness.commands.chosen import chosen_matrix
from harness.commands.measuring import measure, plan
from harness.commands.wishes import Wishes, measuring


@click.command("run")
@click.argument("path", metavar="MATRIX", type=click.Path(path_type=Path))
@measuring
def run_command(path: Path, **given: Any) -> int:
    r"""Measure every cell of MATRIX and write tables and a report under results/.

    \b
    python -m harness matrix.toml
    python -m harness matrix.toml --quick
    python -m harness matrix.toml --plan
    python -m harness matrix.toml --only users --only 'asyncpg*' --budget 60s
    python -m harness matrix.toml --resume --budget 1h
    python -m harness matrix.toml --dsn postgresql://me@127.0.0.1/bench
    """
    wishes = Wishes(**given)
    chosen = chosen_matrix(path, **wishes.of_matrix)
    return plan(chosen) if wishes.plan_only else measure(chosen, path, wishes)
