import sys
from pathlib import Path
from subprocess import run

import pytest

from harness.app import BadRequest, _limit, configured

SERVED_MODULES = "import sys, harness.app; print(*sorted(m for m in sys.modules))"


def test_the_served_side_imports_no_driver_and_nothing_of_the_measuring_side() -> None:
    found = run(
        [sys.executable, "-c", SERVED_MODULES], capture_output=True, text=True, check=True
    ).stdout.split()
    top = {name.partition(".")[0] for name in found}
    assert not top & {"asyncpg", "psycopg", "psycopg2", "sqlalchemy", "click", "numpy", "pydantic"}
    assert [name for name in found if name.startswith("harness")] == ["harness", "harness.app"]


@pytest.mark.parametrize(
    ("query", "limit"),
    [
        (b"", 20),
        (b"limit=7", 7),
        (b"limit=007", 7),
        (b"other=1", 20),
        (b"limit=1&limit=2", 2),
        (b"limit=2147483647", 2**31 - 1),
    ],
)
def test_a_limit_is_read_from_the_query(query: bytes, limit: int) -> None:
    assert _limit(query, 20) == limit


@pytest.mark.parametrize(
    "query",
    [b"limit=0", b"limit=-1", b"limit=", b"limit=1.5", b"limit=\xc2\xb2", b"limit=2147483648"],
)
def test_a_limit_that_is_no_number_of_rows_is_refused(query: bytes) -> None:
    with pytest.raises(BadRequest, match="limit: expected"):
        _limit(query, 20)


def test_the_configuration_is_one_variable() -> None:
    document = '{"adapter": "a", "options": {"x": 1}, "dsn": "d", "ready_dir": "/tmp/r"}'
    config = configured({"HARNESS_APP": document})
    assert (config.adapter, config.options, config.dsn) == ("a", {"x": 1}, "d")
    assert config.ready_dir == Path("/tmp/r")
