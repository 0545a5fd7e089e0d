"""What a report says of a database that was put at a distance. Pure."""

from collections.abc import Sequence
from statistics import median

from harness.model import Setting, Summary

METHOD = (
    "Where the database is some ms away, a process of the harness holds every byte between it and "
    "the stacks for half of that, each way. What pings took longer by way of it, before and after "
    "each load, is what was measured; under load it adds by how much more it was late itself."
)


def fact(setting: Setting, cells: Sequence[Summary]) -> str:
    """Return what was asked, and what that came to: medians over the cells."""
    asked = f"database {setting.rtt_ms:g} ms away"
    measured = [each.distance.rtt_measured_ms for each in cells]
    loaded = [each.distance.rtt_loaded_ms for each in cells]
    said = [
        f"{word} {median(known):.3g}"
        for word, values in (("measured", measured), ("under load", loaded))
        if (known := [value for value in values if value is not None])
    ]
    return f"{asked} ({', '.join(said)})" if said else asked
