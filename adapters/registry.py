"""From an adapter's name in a matrix to its module.

A name without a dot is a file in this folder, or an adapter that an installed
package registered in the entry-point group `harness.adapters`; a name with a dot
is any importable module.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import cast

import adapters
from adapters.base import AdapterModule, Endpoint

ENTRY_POINTS = "harness.adapters"

LANE_NAMES = ("idiomatic", "matched")

_NOT_ADAPTERS = frozenset(
    {
        "base",
        "books",
        "checkouts",
        "errors",
        "hops",
        "noop",
        "orm",
        "reads",
        "registry",
        "sql",
        "timed_pools",
    }
)
"""What adapters share, and the one without a database, which is no stack. Every other file in
the folder is an adapter: to add one is to add a file."""

_DISTRIBUTIONS = {
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
    "psycopg_pool": "psycopg-pool",
    "sqlalchemy": "sqlalchemy[asyncio]",
    "greenlet": "sqlalchemy[asyncio]",
}
"""Packages that are not called what is imported, or that need an extra."""


class AdapterError(Exception):
    """An adapter that cannot be used; the message says why and what to do."""


class UnknownAdapter(AdapterError):
    """No adapter has this name."""


class MissingDriver(AdapterError):
    """The adapter is there, and a package it imports is not."""


class NotAnAdapter(AdapterError):
    """The module imports, and does not hold what an adapter must."""


def available() -> list[str]:
    """Name the adapters that need no dot: this folder's and those of installed packages, sorted."""
    return sorted({*shipped(), *entry_points(group=ENTRY_POINTS).names})


def shipped() -> list[str]:
    """Name the adapters of this folder, sorted."""
    return sorted({each.name for each in pkgutil.iter_modules(adapters.__path__)} - _NOT_ADAPTERS)


def load(name: str) -> AdapterModule:
    """Import the adapter called `name`.

    Raises UnknownAdapter, MissingDriver or NotAnAdapter. What else a module raises
    while it is imported passes, with its traceback.
    """
    target = _target(name)
    try:
        module = importlib.import_module(target)
    except ImportError as error:
        raise _explained(error, name, target) from error
    for member in ("Options", "connect"):
        if not hasattr(module, member):
            raise NotAnAdapter(
                f"adapter {name!r}: module {target} has no `{member}`; see docs/adapters.md"
            )
    return cast("AdapterModule", module)


def lane(module: AdapterModule, name: str) -> Mapping[str, object]:
    """Return the options that lane `name` sets; none when the module does not say."""
    lanes: Mapping[str, Mapping[str, object]] = getattr(module, "LANES", {})
    return lanes.get(name, {})


def unsupported(module: AdapterModule, options: object, endpoint: Endpoint) -> str | None:
    """Return why `options` cannot be honoured for `endpoint`; None when the module does not say."""
    decide = getattr(module, "unsupported", None)
    return None if decide is None else cast("str | None", decide(options, endpoint))


def _target(name: str) -> str:
    """Return the module that `name` stands for; raise UnknownAdapter for a name of nothing."""
    if "." in name:
        return name
    if name in shipped():
        return f"{adapters.__name__}.{name}"
    for each in entry_points(group=ENTRY_POINTS, name=name):
        return each.module
    raise UnknownAdapter(
        f"unknown adapter {name!r}; available: {', '.join(available())}, "
        "or the dotted name of an importable module"
    )


def _explained(error: ImportError, name: str, target: str) -> AdapterError:
    missing = error.name or ""
    if isinstance(error, ModuleNotFoundError) and (target + ".").startswith(missing + "."):
        return UnknownAdapter(
            f"unknown adapter {name!r}: no module {missing!r} can be imported; "
            f"available without a dot: {', '.join(available())}"
        )
    package = missing.partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or package in {"adapters", "harness", ""}:
        return MissingDriver(f"adapter {name!r} cannot be imported: {error}".splitlines()[0])
    install = _DISTRIBUTIONS.get(package, package)
    return MissingDriver(
        f"adapter {name!r} needs the package {package!r}, which is not installed: "
        f"pip install '{install}'"
    )
