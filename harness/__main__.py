"""`python -m harness`: arguments -> command -> exit code."""

import sys

if __name__ == "__main__":
    try:
        from harness.cli import main

        sys.exit(main())
    except KeyboardInterrupt:  # before a command could take over the signal
        sys.exit(130)
