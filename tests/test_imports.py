"""GPU machines without Hydra, datasets and the rest must run the methods; tables must not wait for torch."""

import subprocess
import sys
from pathlib import Path

import pytest

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
        (modules_of("records", "config"), ["torch", "transformers", "datasets", "hydra", "pandas"]),
    ],
    ids=["a bare GPU machine", "tables without torch", "checks before torch", "records know nothing"],
)
def test_modules_import_without(modules: str, blocked: list[str]) -> None:
    code = BLOCK.format(blocked=blocked, modules=modules)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
