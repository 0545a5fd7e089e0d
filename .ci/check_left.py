"""Find what runs and tests left in CI's own folder: `check_left.py FOLDER`.

The environment and every temporary folder of this CI run are inside FOLDER, so a
process that names it is ours, whatever else goes on on the machine.
"""

import sys
from pathlib import Path

import psutil

PREFIXES = ("harness-", "pg-stack-harness-")


def processes(folder: Path) -> list[str]:
    """Return the command lines that name `folder`, but for this process and those above it."""
    me = psutil.Process()
    own = {me.pid, *(parent.pid for parent in me.parents())}
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if str(folder) in line and process.pid not in own:
            found.append(f"{process.pid}: {line}")
    return found


def folders(folder: Path) -> list[str]:
    """Return the harness's temporary folders that were not removed."""
    return [
        str(path) for path in sorted((folder / "tmp").iterdir()) if path.name.startswith(PREFIXES)
    ]


def main() -> int:
    """Print what is left; 1 when something is."""
    folder = Path(sys.argv[1]).resolve()
    left = processes(folder) + folders(folder)
    for each in left:
        print(f"left behind: {each}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
