"""Where the numbers were made."""

from collections.abc import Mapping
from typing import Any

from harness.results.gfm import escaped, table
from harness.results.sections.material import Material


def section(material: Material) -> str:
    """Return a table of `env.json`. Raises KeyError or TypeError when it is none."""
    environment = material.environment
    machine, cpu = environment["machine"], environment["cpu"]
    database, packages = environment["database"], environment["packages"]
    settings = ", ".join(f"{name} {value}" for name, value in sorted(database["settings"].items()))
    affinity = ", ".join(
        f"{part} on {' '.join(map(str, cpus))}" if cpus is not None else f"{part} anywhere"
        for part, cpus in sorted(environment["affinity"].items())
    )
    governed = f", governor {cpu['governor']}" if cpu.get("governor") else ""
    idle = f", idle: {cpu['idle']}" if cpu.get("idle") else ""
    rows = [
        ("CPU", f"{cpu['count']} x {cpu['model']}{governed}{idle}"),
        ("affinity", affinity),
        ("memory", f"{machine['memory_gib']} GiB"),
        ("system", f"{machine['system']} {machine['kernel']} {machine['arch']}"),
        ("Python", environment["python"]),
        ("Postgres", f"{database['version']}{' (embedded)' * database['embedded']}: {settings}"),
        ("packages", _versions(packages)),
        *((f"side {name}", _side(environment["sides"][name])) for name in _sides(material)),
    ]
    shown = ((escaped(name), escaped(said)) for name, said in rows)
    return "## Environment\n\n" + table(("", ""), shown)


def _sides(material: Material) -> list[str]:
    """Return the sides of `ab`, the one before first; none in any other run."""
    return list(filter(None, dict.fromkeys(each.side for each in material.matrix.stacks.values())))


def _side(said: Mapping[str, Any]) -> str:
    """Return what a side of `ab` was served from."""
    if "with" in said:
        what = f"this tree with {', '.join(said['with'])}"
    else:
        what = f"{said['revision'][:7]}{' and what had been changed since' * said['dirty']}"
    if not said["own_environment"]:
        return f"{what}; the same Python and packages"
    return f"{what}; an environment of its own: Python {said['python']}, " + _versions(
        said["packages"]
    )


def _versions(packages: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(packages.items()))
