"""What a stack must do without when something stands between it and its database. Pure."""

from collections.abc import Mapping

from harness.matrix.values import show
from harness.model import Via

CACHES = ("statement_cache_size", "prepared_statement_cache_size")
"""What adapters call the number of statements that a connection keeps prepared."""


def refusal(via: Via | None, options: Mapping[str, object]) -> str | None:
    """Return why a stack with `options` cannot go through `via`; None when it can."""
    if via is None or not _prepares(options):
        return None
    return (
        f"options.prepared: expected false, as via is {show(via)}: behind it "
        "each transaction may have another connection, and finds nothing prepared there"
    )


def _prepares(options: Mapping[str, object]) -> bool:
    """Whether a stack with these options keeps statements prepared, as far as they say."""
    prepared = options.get("prepared")
    if prepared is False:
        return False
    if options.get("driver") == "psycopg":  # as the driver does, unless it is said
        return True
    caches = [options[name] for name in CACHES if name in options]
    return any(caches) if caches else prepared is True
