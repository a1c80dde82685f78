"""Every file of conf/ composes, and every ``_target_`` takes exactly the keys that stand beside it."""

import inspect
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from places import CONF, ROOT

from read_repro.config.composition import composed

GROUPS = ("task", "method", "backbone", "data", "trainer", "energy", "cache", "logger", "optim")
FILES = [(group, path.stem) for group in GROUPS for path in sorted((CONF / group).glob("*.yaml"))]
# What only the run knows, and hands on itself.
GIVEN_BY_THE_RUN = {
    *("backbone", "optimisation", "score", "journal_path", "folder", "logger", "callbacks", "files", "self")
}


@pytest.mark.parametrize(("group", "name"), FILES)
def test_a_file_composes_and_fits_its_class(group: str, name: str) -> None:
    needs = ["backbone.path=here", "backbone.name=mine"] if name.startswith("local-") else []
    needs += ["backbone.id=somebody/mine"] if (group, name) == ("backbone", "hub") else []
    needs += ["data.path=here"] if (group, name) in [("data", "local"), ("data", "own"), ("task", "custom")] else []
    node = composed(f"{group}={name}", *needs).plain()[group]
    if "_target_" not in node:
        return
    module, _, attribute = node["_target_"].rpartition(".")
    signature = inspect.signature(getattr(import_module(module), attribute))
    keys = set(node) - {"_target_", "_partial_"}
    takes_any = any(p.kind == p.VAR_KEYWORD for p in signature.parameters.values())
    assert takes_any or keys <= signature.parameters.keys()
    required = {
        key
        for key, parameter in signature.parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    }
    assert required - GIVEN_BY_THE_RUN <= keys


@pytest.mark.parametrize("path", sorted((CONF / "method").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_methods_file_holds_plain_values_and_a_grid_beside_them(path: Path) -> None:
    """Machines without Hydra read these files with PyYAML alone."""
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    assert "${" not in path.read_text()
    assert content.keys() == {"method", "optim", "grid"}
    assert all(key.split(".")[0] == "method" and key.split(".")[1] in content["method"] for key in content["grid"])


def test_a_method_has_no_default_in_python() -> None:
    """A scientific hyperparameter stands in YAML, once."""
    for path in (CONF / "method").glob("*.yaml"):
        module, _, attribute = yaml.safe_load(path.read_text())["method"]["_target_"].rpartition(".")
        parameters = inspect.signature(getattr(import_module(module), attribute)).parameters.values()
        assert [p.name for p in parameters if p.kind == p.KEYWORD_ONLY and p.default is not p.empty] == []


def test_an_installed_package_finds_the_files_that_travel_in_it(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "read_repro", tmp_path / "read_repro", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(CONF, tmp_path / "read_repro" / "conf")
    code = "from read_repro.config.files import CONF, names; print(CONF, *names('optim'))"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert ended.stdout.split() == [str(tmp_path / "read_repro" / "conf"), "adamw"], ended.stderr
