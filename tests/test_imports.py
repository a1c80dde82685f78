"""GPU machines without Hydra, datasets and the rest must run the methods; tables must not wait for torch."""

import subprocess
import sys

import pytest

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


@pytest.mark.parametrize(
    ("modules", "blocked"),
    [
        (
            "read_repro.backbones, read_repro.energy, read_repro.memory, read_repro.parameters, read_repro.shipped, "
            "read_repro.methods.full, read_repro.methods.head, read_repro.methods.read",
            ["hydra", "omegaconf", "datasets", "wandb", "sklearn", "scipy", "pandas"],
        ),
        (
            "read_repro.tables, read_repro.figures, read_repro.claims, read_repro.report",
            ["torch", "hydra", "omegaconf"],
        ),
        ("read_repro.check, read_repro.checkpoints, read_repro.sources, read_repro.records", ["torch", "datasets"]),
    ],
)
def test_modules_import_without(modules: str, blocked: list[str]) -> None:
    code = BLOCK.format(blocked=blocked, modules=modules)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
