"""Failed requests of a target by class, and how often its clients had to connect again."""

from collections.abc import Mapping

MESSAGE_CHARS_MAX = 300


class Tally:
    """Counts while `counting`: what happens in warm-up is no result.

    `all_failed` is the number of all failed requests, those of warm-up too.
    """

    def __init__(self) -> None:
        self.counting = False
        self.reconnects = 0
        self.all_failed = 0
        self._errors: dict[str, int] = {}
        self._messages: dict[str, str] = {}

    def failed(self, error_class: str, message: str) -> None:
        """Count an error, and keep the first message of its class."""
        self.all_failed += 1
        if self.counting:
            self._errors[error_class] = self._errors.get(error_class, 0) + 1
            self._messages.setdefault(error_class, " ".join(message.split())[:MESSAGE_CHARS_MAX])

    def reconnected(self) -> None:
        """Count a connection after a client's first."""
        if self.counting:
            self.reconnects += 1

    def begin_anew(self) -> None:
        """Leave what was counted so far out of all but `all_failed`."""
        self.reconnects = 0
        self._errors = {}
        self._messages = {}

    @property
    def errors(self) -> Mapping[str, int]:
        """Failed requests by class."""
        return dict(self._errors)

    @property
    def messages(self) -> Mapping[str, str]:
        """The first message of each class."""
        return dict(self._messages)
