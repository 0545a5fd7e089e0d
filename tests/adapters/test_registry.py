import dataclasses
from pathlib import Path
from typing import get_type_hints

import pydantic
import pytest

from adapters import registry
from tests.adapters.stacks import NAMES, STACKS


def test_every_file_that_is_an_adapter_is_available() -> None:
    assert set(NAMES) <= set(registry.available())


def test_a_new_file_in_the_folder_is_available(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import adapters

    (tmp_path / "dropped_in.py").write_text("Options = connect = object\n")
    monkeypatch.setattr(adapters, "__path__", [*adapters.__path__, str(tmp_path)])
    assert "dropped_in" in registry.available()
    assert registry.load("dropped_in").__name__ == "adapters.dropped_in"


def test_an_unknown_name_lists_the_available_ones() -> None:
    with pytest.raises(registry.UnknownAdapter, match=r"'asyncgp'.*asyncpg_pool, psycopg_pool"):
        registry.load("asyncgp")


@pytest.mark.parametrize("name", ["base", "sql", "registry"])
def test_what_adapters_share_is_no_adapter(name: str) -> None:
    with pytest.raises(registry.UnknownAdapter):
        registry.load(name)


@pytest.mark.parametrize("name", ["no_such_package.stack", "json.no_such_module"])
def test_a_dotted_name_of_nothing_is_unknown(name: str) -> None:
    with pytest.raises(registry.UnknownAdapter, match="can be imported"):
        registry.load(name)


def test_a_dotted_name_is_any_importable_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "stack.py").write_text("Options = connect = object\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = registry.load("shop.stack")
    assert registry.lane(module, "matched") == {}


def test_a_module_that_is_no_adapter_says_what_it_lacks() -> None:
    with pytest.raises(registry.NotAnAdapter, match=r"os\.path has no `Options`"):
        registry.load("os.path")


def test_a_missing_driver_names_the_package_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needy").mkdir()
    (tmp_path / "needy" / "stack.py").write_text("import no_such_driver\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(registry.MissingDriver, match="pip install 'no_such_driver'"):
        registry.load("needy.stack")


@pytest.mark.parametrize(("name", "lane"), STACKS)
def test_a_lane_sets_only_options_the_adapter_has(name: str, lane: str) -> None:
    module = registry.load(name)
    names = {each.name for each in dataclasses.fields(module.Options)}
    assert registry.lane(module, lane).keys() <= names


@pytest.mark.parametrize("name", NAMES)
def test_options_are_validated_and_described_without_running_anything(name: str) -> None:
    options = registry.load(name).Options
    adapter = pydantic.TypeAdapter(options)
    assert adapter.validate_python({"pool_size": 3}) == options(pool_size=3)
    assert adapter.json_schema()["properties"].keys() == get_type_hints(options).keys()
    with pytest.raises(pydantic.ValidationError):
        adapter.validate_python({"pool_size": "many"})
