"""What a run is called: its folder is a function of its choices, never of the clock."""

import json
from collections.abc import Mapping
from typing import Any

# What changes neither the numbers a run aims at nor the data and weights, which the record holds by fingerprint.
NOT_A_SETTING = {
    "seed", "results_dir", "force", "dry_run", "stage", "grid", "energy", "logger", "sweep", "experiment",
    "cache.path", "cache.budget_gb",
    "data.path", "data.source", "data.eval_batch_size", "backbone.path", "backbone.name",
    "trainer.threads", "trainer.progress_bar", "trainer.accelerator",
}  # fmt: skip


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def setting(config: Mapping[str, Any], files: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters of ``config`` that differ from the config files, by their last name where that is unique."""
    ours, theirs = flatten(config), flatten(files)
    differs = {key: value for key, value in ours.items() if key not in theirs or theirs[key] != value}
    kept = {
        key: value
        for key, value in differs.items()
        if key not in NOT_A_SETTING and key.split(".")[0] not in NOT_A_SETTING
    }
    leaves = [key.rsplit(".", 1)[-1] for key in kept]
    short = {key: leaf if leaves.count(leaf) == 1 else key for key, leaf in zip(kept, leaves, strict=True)}
    return {short[key]: kept[key] for key in sorted(kept, key=lambda key: short[key])}


def identity(config: Mapping[str, Any], files: Mapping[str, Any], *, method: str) -> dict[str, Any]:
    """What names the run of ``config``; ``files`` is the same choice of config files, without anything overridden."""
    return {
        "backbone": config["backbone"]["name"],
        "data": config["data"]["source"],
        "task": config["task"]["name"],
        "method": method,
        "setting": setting(config, files),
        "seed": config["seed"],
    }


def show(value: Any) -> str:
    """A value as it stands in a folder's name: no separator, no space."""
    text = f"{value:g}" if isinstance(value, float) else json.dumps(value) if not isinstance(value, str) else value
    return "".join(letter if letter.isalnum() or letter in "+-._" else "_" for letter in text)


def run_name(*, backbone: str, data: str, task: str, method: str, setting: Mapping[str, Any], seed: int) -> str:
    """The folder of a run below ``results/runs``: a function of its choices, never of the clock."""
    pairs = "".join(f",{key}={show(value)}" for key, value in setting.items())
    return f"{backbone}/{data}/{task}/{method}{pairs}/seed={seed}"
