"""A server whose code comes from another tree: from that one, or it does not start."""

import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import adapters
import harness
from harness.errors import ServerFailed
from harness.origin import Origin
from harness.processes import Processes
from harness.server import fetch, serve
from tests.conftest import Database

SOURCES = [Path(str(each.__file__)).parent for each in (harness, adapters)]


def tree(at: Path, sources: Sequence[Path] = SOURCES) -> Path:
    """Copy packages of ours to a tree of their own."""
    for source in sources:
        shutil.copytree(source, at / source.name)
    return at


@pytest.fixture
def answered(processes: Processes, database: Database, tmp_path: Path) -> "Answered":
    return Answered(processes, database, tmp_path)


class Answered:
    """What the server of an origin answers."""

    def __init__(self, processes: Processes, database: Database, beside: Path) -> None:
        self.processes, self.database, self.beside = processes, database, beside

    def __call__(self, origin: Path, *, own: bool = False) -> bytes:
        async def ask() -> bytes:
            async with serve(
                self.processes,
                name="asyncpg@side",
                adapter="asyncpg_pool",
                options={"pool_size": 1},
                dsn=self.database.dsn,
                password=self.database.password,
                workers=1,
                connections=1,
                cpus=None,
                deadline_s=60.0,
                origin=Origin(sys.executable, origin, self.beside, own, {}),
            ) as server:
                return (await fetch(server, "GET", "/noop")).body

        return asyncio.run(ask())


def test_the_app_of_another_tree_is_served(answered: Answered, tmp_path: Path) -> None:
    other = tree(tmp_path / "other")
    app = other / "harness" / "app.py"
    app.write_text(app.read_text().replace('{"ok":true}', '{"ok":"other"}'))
    assert answered(other) == b'{"ok":"other"}'


def test_adapters_of_another_tree_than_the_apps_are_no_answer(
    answered: Answered, tmp_path: Path
) -> None:
    lacking = tree(tmp_path / "lacking", SOURCES[:1])
    shadow = tree(answered.beside / "shadow", SOURCES[1:])
    answered.beside = shadow
    with pytest.raises(ServerFailed) as caught:
        answered(lacking)
    assert f"adapters was loaded from {shadow / 'adapters' / '__init__.py'}" in str(caught.value)
    assert str(caught.value).endswith("which is no part of this side")


def test_an_environment_of_its_own_that_sees_another_is_no_answer(
    answered: Answered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a path configuration file would do: https://docs.python.org/3/library/site.html
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "asyncpg.py").write_text("class Pool: ...\n")
    other = tree(tmp_path / "other")
    app = other / "harness" / "app.py"
    path = f"import sys; sys.path.insert(0, {str(tmp_path / 'elsewhere')!r}); import asyncpg\n"
    app.write_text(app.read_text().replace("import json\n", f"import json\n{path}", 1))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    answered.beside = other
    with pytest.raises(ServerFailed, match=r"was loaded from .*no part of this side"):
        answered(other, own=True)
