"""Where the numbers were made."""

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
        ("packages", ", ".join(f"{name} {version}" for name, version in sorted(packages.items()))),
    ]
    return "## Environment\n\n" + table(("", ""), ((name, escaped(said)) for name, said in rows))
