"""What names a cell."""

from dataclasses import dataclass
from functools import cached_property

from harness.model.setting import Endpoint, Setting
from harness.model.stack import Lane, Stack


@dataclass(frozen=True)
class Key:
    """What names a cell: its setting and its stack. Runs are matched on it.

    It has no slots: a report asks the same few keys for their setting, and finds cells by
    them, for every row. Both are made once.
    """

    group: str
    endpoint: Endpoint
    stack: str
    adapter: str
    lane: Lane
    limit: int | None
    concurrency: int
    rate: float | None
    pool_size: int
    workers: int
    rtt_ms: float
    options: str = ""

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(
            (
                self.group,
                self.endpoint,
                self.stack,
                self.limit,
                self.concurrency,
                self.rate,
                self.pool_size,
                self.workers,
                self.rtt_ms,
                self.options,
            )
        )

    @cached_property
    def setting(self) -> Setting:
        """The setting this cell belongs to."""
        return Setting(
            self.group,
            self.endpoint,
            self.limit,
            self.concurrency,
            self.rate,
            self.pool_size,
            self.workers,
            self.rtt_ms,
            self.options,
        )


def key(setting: Setting, stack: Stack) -> Key:
    """Return the key of the cell of `stack` in `setting`."""
    return Key(
        setting.group,
        setting.endpoint,
        stack.name,
        stack.adapter,
        stack.lane,
        setting.limit,
        setting.concurrency,
        setting.rate,
        setting.pool_size,
        setting.workers,
        setting.rtt_ms,
        setting.options,
    )
