"""`schema`: the format of a matrix, for editors."""

import click

from harness.matrix import schema


@click.command("schema")
def schema_command() -> int:
    r"""Print the JSON Schema of matrix.toml.

    Editors find it by a first line `#:schema PATH-OR-URL`; see docs/tools.md.

    \b
    python -m harness schema > matrix.schema.json
    """
    click.echo(schema.to_json(), nl=False)
    return 0
