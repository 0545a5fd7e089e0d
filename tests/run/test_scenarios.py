"""The published findings, each from its own scenario made small: real runs."""

import csv
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import tomli_w

import harness
from tests.run.conftest import RUN, Said, Start, as_measured

SCENARIOS = Path(harness.__file__).parent / "scenarios"

Small = Callable[..., str]


@pytest.fixture
def small(tmp_path: Path) -> Small:
    """Return a function that writes a scenario with few stacks and one small group."""

    def write(name: str, stacks: Sequence[str], group: dict[str, Any], **run: Any) -> str:
        document = tomllib.loads((SCENARIOS / f"{name}.toml").read_text())
        document["run"] |= RUN | run
        document["stack"] = [each for each in document["stack"] if each["name"] in stacks]
        document["group"] = [
            each | {"stacks": list(stacks)} | group
            for each in document["group"]
            if each["name"] == group["name"]
        ]
        if document["run"].get("baseline") not in stacks:
            document["run"].pop("baseline", None)
        document.pop("claim", None)
        (tmp_path / "small.toml").write_text(tomli_w.dumps(document))
        return "small.toml"

    return write


def cells(tmp_path: Path) -> dict[str, dict[str, str]]:
    with (tmp_path / "results" / "small" / "cells.csv").open(newline="") as file:
        return {f"{row['stack']} {row['options']}".strip(): row for row in csv.DictReader(file)}


def test_a_session_closed_after_the_response_collapses_where_one_hop_does_not(
    start: Start, small: Small, tmp_path: Path
) -> None:
    # So many more requests than threads, and threads than connections, that on any machine
    # those who hold a connection stand behind those who want one.
    options = {"pool_timeout": [1.0], "max_overflow": [0], "threads": [2]}
    group = {"name": "users", "concurrency": [8], "pool_size": [1], "options": options}
    stacks = ["sync", "sync-after-response"]
    short = {"warmup": "100ms", "measure": "1s", "slice": "100ms", "timeout": "4s"}
    path = small("pool_exhaustion", stacks, group, **short)
    start(path).measured()
    errors = {row["stack"]: row["err_pool_timeout"] for row in cells(tmp_path).values()}
    assert int(errors["sync-after-response"]) > 0
    assert errors["sync"] == "0"


def test_async_answers_books_faster_than_sync_that_loads_lazily_and_cannot_do_so_itself(
    start: Start, small: Small, tmp_path: Path
) -> None:
    group = {"name": "page", "limit": [20], "concurrency": [2], "pool_size": [2]}
    stacks = ["sync-lazy", "async", "async-lazy"]
    path = small("books_page", stacks, group, measure="1500ms", timeout="10s")
    start(path).measured()
    found = cells(tmp_path)
    assert found["async-lazy"]["outcome"] == "unsupported"
    assert "MissingGreenlet" in found["async-lazy"]["flags"]
    if as_measured(found["async"]) and as_measured(found["sync-lazy"]):  # 3 statements and 41
        assert float(found["async"]["rps"]) > float(found["sync-lazy"]["rps"])


def test_an_overflow_beyond_the_servers_limit_is_refused_beforehand_and_fails_when_forced(
    start: Start, said: Callable[..., Said], small: Small, tmp_path: Path
) -> None:
    group = {"name": "overflow", "concurrency": [40], "pool_size": [5], "workers": [1]}
    path = small("too_many_clients", ["sync", "asyncpg"], group, timeout="10s")
    document = tomllib.loads((tmp_path / path).read_text())
    document["database"]["settings"]["max_connections"] = 12
    (tmp_path / path).write_text(tomli_w.dumps(document))

    refused = said(path)
    assert refused.code == 2
    assert "sync" in refused.err
    assert not (tmp_path / "results" / "small" / "blocks.csv").exists()

    start(path, "--force").measured()
    found = cells(tmp_path)
    assert int(found["sync"]["err_too_many_clients"]) > 0
    assert found["asyncpg"]["errors"] == "0"
