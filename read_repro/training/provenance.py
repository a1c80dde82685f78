"""What a run ran on, and which code: named by model and commit, never by machine."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from read_repro.errors import InputError
from read_repro.machine import cpu_model

PACKAGES = ("torch", "transformers", "peft", "pytorch-lightning", "datasets", "read-repro")
CHECKOUT = Path(__file__).resolve().parents[2]


def hardware_of(*, accelerator: str, precision: str, devices: int = 1, num_nodes: int = 1) -> dict[str, Any]:
    """Kind, model and number of the devices a run will use; no machine's name.

    Raises:
        InputError: a GPU, more of them or a precision is asked for that is not here.
    """
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise InputError("trainer.accelerator=gpu: torch sees no CUDA device; use trainer.accelerator=cpu")
    cuda = torch.cuda.is_available() and accelerator != "cpu"
    if precision == "bf16-mixed" and not (cuda and torch.cuda.is_bf16_supported(including_emulation=False)):
        raise InputError("trainer.precision=bf16-mixed: this hardware lacks it; use trainer.precision=32-true")
    if cuda and devices > torch.cuda.device_count():
        raise InputError(f"trainer.devices={devices}: torch sees {torch.cuda.device_count()} here; choose at most that")
    name = torch.cuda.get_device_name() if cuda else cpu_model()
    return {
        "kind": "cuda" if cuda else "cpu",
        "name": name,
        "count": devices * num_nodes,
        "threads": torch.get_num_threads(),
    }


def package_versions() -> dict[str, str | None]:
    """The versions of Python and of the packages that a run's numbers depend on; None for one that is not installed."""
    return {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # a bare GPU machine needs neither datasets nor an installation of this project
        return None


def commit() -> str | None:
    """The commit of this code, marked where files differ from it; None where it was installed from a wheel.

    Such an installation may lie inside a repository of its user's, whose commit says nothing about this code.
    """
    if not (CHECKOUT / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
