"""`python -m harness`, and `harness`: arguments -> command -> exit code."""

import sys


def run() -> int:
    """Run the command that the process's arguments name; return its exit code."""
    try:
        from harness.cli import main

        return main()
    except KeyboardInterrupt:  # before a command could take over the signal
        return 130


if __name__ == "__main__":
    sys.exit(run())
