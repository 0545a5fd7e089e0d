"""The ways the harness gives up, each with the exit code it ends in.

Every message says where, what happened and what to do next, on one line:
it is printed as it is, without a traceback.
"""

INTERRUPTED = 130
"""The exit code of what a signal ended: nothing was wrong."""


class HarnessError(Exception):
    """Something the user can act on. Anything else that escapes is a bug of ours."""

    exit_code = 3


class BadInput(HarnessError):
    """Arguments, a matrix or a file that cannot be used; nothing was started."""

    exit_code = 2


class NothingMeasurable(HarnessError):
    """The run could not produce one valid cell."""

    exit_code = 3


class ServerFailed(HarnessError):
    """One stack's server did not start or did not answer; the other stacks go on."""


class NotInstalled(ServerFailed):
    """A program that one stack needs is not here; the other stacks go on."""
