"""Where a server has its code from when that is not here: another tree, another Python."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

ELSEWHERE = Path(__file__).with_name("elsewhere.py")
"""Never imported here: it imports what it serves."""

MODULE = "pg_stack_harness_elsewhere"


@dataclass(frozen=True, slots=True)
class Origin:
    """The Python that serves a stack, and the tree that its `harness` and `adapters` lie in.

    `beside` is where modules of the user's are found. `own`: the Python's environment was made
    for this origin, and nothing that is installed for the runner may be seen in it. `about` is
    what `env.json` says of it.
    """

    python: str
    tree: Path
    beside: Path
    own: bool
    about: Mapping[str, Any]

    def environment(self, user: Mapping[str, str]) -> dict[str, str]:
        """Return the environment `user` for a process that is to find this origin's modules."""
        return {**user, "PYTHONPATH": os.pathsep.join(self._path(user))}

    def app(self, folder: Path, user: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """Return the name of the app that Granian is to serve, and the environment to do it in.

        What has that name is put into `folder`.
        """
        shutil.copyfile(ELSEWHERE, folder / f"{MODULE}.py")
        told = {"tree": str(self.tree), "own": self.own, "others": [str(self.beside), str(folder)]}
        paths = [*self._path(user), str(folder)]
        return f"{MODULE}:app", {
            **user,
            "PYTHONPATH": os.pathsep.join(paths),
            "HARNESS_ORIGIN": orjson.dumps(told).decode(),
        }

    def _path(self, user: Mapping[str, str]) -> list[str]:
        others = "" if self.own else user.get("PYTHONPATH", "")
        return [str(self.tree), str(self.beside), *filter(None, [others])]


NOWHERE_ELSE: Mapping[str, Origin] = MappingProxyType({})
"""The origins of a run whose every stack is served from here."""
