"""SERVED SIDE: the app of another tree, once everything it is made of is known to be that tree's.

`harness.origin` puts a copy of this file beside the server; what it imports is the other
tree's, however old. `HARNESS_ORIGIN` holds JSON: `{"tree", "own", "others"}`, the folder of the
tree, whether the environment was made for it, and the folders of what belongs to neither.

A name of a module says nothing of where it was found: an editable install, a `.pth` file or a
`PYTHONPATH` may put one tree before another. So a server that loaded anything from a place
that it should not know says so, and ends.
"""

import contextlib
import json
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from adapters import registry
from harness.app import app

__all__ = ["app"]

VARIABLE = "HARNESS_ORIGIN"
OURS = ("harness", "adapters")


def strays(tree: str, own: bool, others: Iterable[str]) -> Iterator[str]:
    """Yield a line for each loaded module that came from a place that it should not."""
    standard = sysconfig.get_path("stdlib")
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name == "__main__" or not file:
            continue
        if name.partition(".")[0] in OURS:
            right = _in(file, tree)
        elif not own or any(_in(file, each) for each in (tree, sys.prefix, *others)):
            right = True
        else:
            right = _in(file, standard) and "-packages" not in file
        if not right:
            yield f"{name} was loaded from {file}, which is no part of this side"


def _in(file: str, folder: str) -> bool:
    return Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder))


def _insist() -> None:
    """End this process, with the reason where the runner looks, if it loaded anything else."""
    served = json.loads(os.environ["HARNESS_APP"])
    with contextlib.suppress(Exception):  # what is wrong with an adapter, the app says itself
        registry.load(served["adapter"])
    stray = next(strays(**json.loads(os.environ[VARIABLE])), None)
    if stray is not None:
        failed = Path(served["ready_dir"]) / f"{os.getpid()}.partial"
        failed.write_text(json.dumps({"class": "app", "message": stray}))
        failed.replace(failed.with_suffix(".failed"))
        raise RuntimeError(stray)


_insist()
