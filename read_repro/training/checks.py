"""What can be checked in seconds, before torch is imported: a user's mistake should not cost a minute."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from read_repro.data import sources
from read_repro.errors import InputError
from read_repro.training.plain_values import checkpoint_of, task_of


def check(config: Mapping[str, Any], folder: Path) -> sources.Tables:
    """Refuse values that no run can have, weights or data that cannot be had, and results that cannot be written.

    Returns the task's rows, which are read here once.

    Raises:
        InputError: one line that says what was given, what is allowed and what to do next.
    """
    _check_numbers(config)
    task, checkpoint = task_of(config["task"]), checkpoint_of(config["backbone"])
    _check_writable(folder)
    sources.check(**config["data"])
    checkpoint.locate()
    return sources.read(task, source=config["data"]["source"], path=config["data"]["path"])


def construct(node: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
    """Hydra's ``instantiate``, but a user's mistake comes out as itself."""
    try:
        return instantiate(node, *args, **kwargs)
    except InstantiationException as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        raise


def _check_numbers(config: Mapping[str, Any]) -> None:
    optim, trainer, energy = config["optim"], config["trainer"], config["energy"]
    above_zero = {
        "optim.lr": optim["lr"],
        "trainer.gradient_clip": trainer["gradient_clip"],
        "energy.interval_s": energy["interval_s"],
        "energy.p0_kw": energy["p0_kw"],
        "energy.cpu_p0_kw": energy["cpu_p0_kw"],
    }
    if energy["carbon_g_per_kwh"] is not None:
        above_zero["energy.carbon_g_per_kwh"] = energy["carbon_g_per_kwh"]
    at_least_one = {
        f"trainer.{key}": trainer[key]
        for key in ("max_epochs", "patience", "accumulate_grad_batches", "devices", "threads")
    } | {
        f"data.{key}": config["data"][key]
        for key in ("batch_size", "eval_batch_size", "max_source_tokens", "train_limit")
    }
    for key, value in above_zero.items():
        if not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise InputError(f"{key}={value}: a number above 0 is needed")
    for key, value in at_least_one.items():
        if value is not None and (not isinstance(value, int) or value < 1):
            raise InputError(f"{key}={value}: a whole number of at least 1 is needed")
    if trainer["devices"] != 1:
        raise InputError(f"trainer.devices={trainer['devices']}: a run uses one device; start several runs at once")
    if not isinstance(optim["weight_decay"], int | float) or optim["weight_decay"] < 0:
        raise InputError(f"optim.weight_decay={optim['weight_decay']}: 0 or more is needed")
    if not isinstance(optim["warmup"], int | float) or not 0 <= optim["warmup"] < 1:
        raise InputError(f"optim.warmup={optim['warmup']}: a share of the steps from 0 to below 1 is needed")
    if trainer["precision"] not in ("32-true", "bf16-mixed"):
        raise InputError(f"trainer.precision={trainer['precision']}: choose 32-true (every table's) or bf16-mixed")
    if not isinstance(config["seed"], int) or config["seed"] < 0:
        raise InputError(f"seed={config['seed']}: a whole number of 0 or more is needed")


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"results cannot be written to {folder} ({error.strerror}): choose another results_dir"
        ) from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"results cannot be written to {folder} (no permission): choose another results_dir")
