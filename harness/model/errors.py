"""Failed requests."""

from dataclasses import dataclass

ERROR_CLASSES = (
    "pool_timeout",
    "too_many_clients",
    "database",
    "app",
    "timeout",
    "connect",
    "reset",
    "body",
)
"""Every way a request can fail. The first four are named by the app in `x-error`,
the others are seen by the generator."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Failed requests by class."""

    err_pool_timeout: int
    err_too_many_clients: int
    err_database: int
    err_app: int
    err_timeout: int
    err_connect: int
    err_reset: int
    err_body: int

    @property
    def total(self) -> int:
        """All of them."""
        return (
            self.err_pool_timeout
            + self.err_too_many_clients
            + self.err_database
            + self.err_app
            + self.err_timeout
            + self.err_connect
            + self.err_reset
            + self.err_body
        )
