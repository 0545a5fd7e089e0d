"""Numbers of things, in words."""


def counted(number: int, noun: str) -> str:
    """Return `1 worker`, `2 workers`, `10,000 cells`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
