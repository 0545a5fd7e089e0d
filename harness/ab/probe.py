"""What a side knows of its stacks, asked of its own code, in its own Python: run there as text.

It imports nothing of this tree: `adapters` is the side's. One argument, a JSON object:
`stacks`, by name each one's adapter, lane and options given by hand; `packages`, whose versions
are wanted; `answer`, the file to write another object to.
"""

import dataclasses
import json
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from adapters import registry


def options(adapter: str, lane: str, by_hand: dict[str, Any]) -> dict[str, Any]:
    """Return the complete options of a stack as this side has them. Raises AdapterError."""
    module = registry.load(adapter)
    names = [each.name for each in dataclasses.fields(module.Options)]
    stranger = next((name for name in by_hand if name not in names), None)
    if stranger is not None:
        raise registry.AdapterError(f"adapter {adapter!r} has no option {stranger!r} there")
    chosen = module.Options(**{**getattr(module, "LANES", {}).get(lane, {}), **by_hand})
    return {name: getattr(chosen, name) for name in names}


def versions(packages: list[str]) -> dict[str, str]:
    """Return the versions of those of `packages` that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def main() -> None:
    """Write what was asked for."""
    asked = json.loads(sys.argv[1])
    stacks: dict[str, object] = {}
    for name, each in asked["stacks"].items():
        try:
            stacks[name] = {"options": options(**each)}
        except registry.AdapterError as error:
            stacks[name] = {"error": str(error)}
    answer = {
        "packages": versions(asked["packages"]),
        "python": platform.python_version(),
        "stacks": stacks,
    }
    Path(asked["answer"]).write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
