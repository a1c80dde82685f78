"""What a run has to work with and which code: its device by model, its code by commit, never a machine's name."""

import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from read_repro.config.schema import RunConfig
from read_repro.errors import InputError
from read_repro.machine import cpu_model, memory_gib
from read_repro.measure.parameters import count
from read_repro.records.costs import known_costs
from read_repro.records.record import Hardware
from read_repro.terminal.lines import say
from read_repro.terminal.opening import resources
from read_repro.training.parts import Parts
from read_repro.units import BYTES_PER_GIB, SECONDS_PER_HOUR

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


def tell_resources(config: RunConfig, identity: Mapping[str, Any], parts: Parts, hardware: Hardware) -> None:
    """Say what the run has to work with, and what runs like it took on this machine."""
    names = tuple(identity[key] for key in ("backbone", "data", "method", "task"))
    backbone, source, method, task = names
    below = f"{backbone}/{source}/{task}/{method}*/seed=*"
    key = (*names, config.data.train_limit, config.trainer.max_epochs, config.cache.place)
    like = known_costs(Path(config.results_dir), [hardware.name], below).get(key, [])
    say(
        resources(
            device=device_words(hardware, config.trainer.precision),
            sizes=parts.data.sizes,
            truncated_share=parts.data.truncated_share,
            parameters=count(parts.method),
            like_runs_s=[cost.hours * SECONDS_PER_HOUR for cost in like],
        )
    )


def device_words(hardware: Hardware, precision: str) -> str:
    """The model of a device, its memory, and the precision of what it computes."""
    if hardware.kind == "cuda":
        memory = f"{torch.cuda.mem_get_info()[1] / BYTES_PER_GIB:.1f} GiB"
    else:
        whole = memory_gib()
        memory = f"{hardware.threads} thread{'' if hardware.threads == 1 else 's'}" + (
            "" if whole is None else f", {whole:.1f} GiB"
        )
    return f"{hardware.device if hardware.kind == 'cuda' else hardware.name}, {memory}, {precision}"


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
