"""The lower bounds as versions to install: what ``make oldest`` hands to pip."""

import importlib.util
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from places import ROOT


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("oldest", ROOT / "scripts" / "oldest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_lower_bound_becomes_the_version(script: ModuleType) -> None:
    assert script.oldest("transformers>=5.17,<6") == "transformers==5.17"
    assert script.oldest("ruff==0.17.6") == "ruff==0.17.6"
    assert script.oldest("pandas-stubs") == "pandas-stubs"
    assert script.oldest("torch>=2.10").startswith("torch==")


def test_every_dependency_has_a_lower_bound_that_the_pinned_version_keeps(script: ModuleType) -> None:
    pinned = {each.name: each for each in map(Requirement, script.PINNED[1:])}
    for text in script.project()["dependencies"]:
        bound = Requirement(text)
        assert any(each.operator in (">=", "==") for each in bound.specifier), text
        version = next(iter(pinned[bound.name.replace("pyyaml", "PyYAML")].specifier)).version
        assert bound.specifier.contains(version), f"{text} shuts out constraints.txt's {version}"
