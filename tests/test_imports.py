"""Which room loads what: by blocked packages, by a look at ``sys.modules``, and by import-linter's contracts."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from places import ROOT

import read_repro

# torchmetrics, which Lightning imports, asks for a package's metadata before it imports it: both must say "absent".
BLOCK = """
import importlib.metadata, sys
blocked = {blocked!r}
for name in blocked:
    sys.modules[name] = None
found = importlib.metadata.distribution
def distribution(name):
    if name.lower().replace("_", "-") in {{b.replace("_", "-") for b in blocked}} | {{"scikit-learn", "hydra-core"}}:
        raise importlib.metadata.PackageNotFoundError(name)
    return found(name)
importlib.metadata.distribution = distribution
import {modules}
"""


ROOMS = Path(read_repro.__file__).parent


def modules_of(*rooms: str) -> str:
    """Every module of some rooms, as an import statement lists them."""
    paths = [path for room in rooms for path in sorted((ROOMS / room).glob("*.py"))]
    return ", ".join(f"read_repro.{path.parent.name}.{path.stem}".removesuffix(".__init__") for path in paths)


@pytest.mark.parametrize(
    ("modules", "blocked"),
    [
        (
            modules_of("backbones", "methods", "measure", "records"),
            ["hydra", "omegaconf", "datasets", "wandb", "sklearn", "scipy", "pandas", "pydantic"],
        ),
        (modules_of("tables", "figures", "paper"), ["torch", "hydra", "omegaconf"]),
        (
            "read_repro.training.checks, read_repro.backbones.checkpoint, read_repro.data.sources",
            ["torch", "datasets"],
        ),
        (modules_of("records", "config", "terminal"), ["torch", "transformers", "datasets", "hydra", "pandas"]),
    ],
    ids=["a bare GPU machine", "tables without torch", "checks before torch", "records know nothing"],
)
def test_modules_import_without(modules: str, blocked: list[str]) -> None:
    code = BLOCK.format(blocked=blocked, modules=modules)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def loaded(statement: str) -> set[str]:
    """The modules that a fresh process has after an import."""
    code = f"{statement}; import sys; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ended.stdout.split())


def test_tables_and_figures_leave_torch_and_hydra_alone() -> None:
    modules = loaded("import read_repro.tables.build, read_repro.figures.build")
    assert "pandas" in modules
    assert not modules & {"torch", "hydra", "omegaconf", "transformers", "pytorch_lightning"}


@pytest.mark.parametrize("room", sorted(path.parent.name for path in ROOMS.glob("*/__init__.py")))
def test_a_room_loads_no_other_through_the_package(room: str) -> None:
    ours = {name for name in loaded(f"import read_repro.{room}") if name.startswith("read_repro.")}
    assert {name.split(".")[1] for name in ours} <= {room, "errors", "hub"}


def test_the_package_loads_a_name_when_it_is_asked_for() -> None:
    assert not {name for name in loaded("import read_repro") if name.startswith("read_repro.")}
    assert "read_repro.errors" in loaded("from read_repro import InputError")
    assert set(read_repro.ROOM_OF) == set(read_repro.__all__) - {"__version__"}
    for name, module in read_repro.ROOM_OF.items():
        assert getattr(read_repro, name).__module__ == module
    with pytest.raises(AttributeError, match=r"no tables_of; it offers .*InputError"):
        read_repro.tables_of  # noqa: B018


CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
LAZY = sorted({arrow for contract in CONTRACTS for arrow in contract.get("ignore_imports", ())})


@pytest.mark.parametrize("arrow", LAZY)
def test_an_arrow_that_the_contracts_leave_out_is_inside_a_function(arrow: str) -> None:
    importer, imported = arrow.split(" -> ")
    assert imported not in loaded(f"import {importer}")


PLANTED = {
    "records": "import read_repro.config.files",
    "config": "import read_repro.records.store",
    "paper": "import read_repro.errors\nimport read_repro.tables.load",
    "data": "import read_repro.backbones.decoder",
    "backbones": "import read_repro.data.tasks",
    "methods": "def inside() -> None:\n    import read_repro.data.tasks",
    "measure": "import read_repro.training.run",
    "store": "import read_repro.methods.read",
    "sweep": "import read_repro.training.run",
    "tables": "import torch",
    "figures": "import hydra",
    "training": "import hydra_plugins",
    "hf": "import read_repro.training.run",
    "terminal": "import read_repro.config.files",
    "prediction": "import read_repro.sweep.jobs",
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_planted_import_breaks_a_contract(tmp_path: Path) -> None:
    shutil.copytree(ROOMS, tmp_path / "read_repro", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert (ended := lint(tmp_path)).returncode == 0, ended.stdout + ended.stderr
    assert set(PLANTED) == {path.parent.name for path in ROOMS.glob("*/__init__.py")}
    for room, statement in PLANTED.items():
        (tmp_path / "read_repro" / room / "planted.py").write_text(f"{statement}\n")
    ended = lint(tmp_path)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    unseen = [room for room in PLANTED if f"read_repro.{room}.planted" not in ended.stdout]
    assert not unseen, f"no contract forbids what was planted in {unseen}:\n{ended.stdout}"
