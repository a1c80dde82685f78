"""The Lightning trainer of one run, from its section of the configuration."""

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, TQDMProgressBar
from pytorch_lightning.plugins.environments import LightningEnvironment

from read_repro.training.checks import construct
from read_repro.training.provenance import hardware_of


def build_trainer(config: Mapping[str, Any], folder: Path, callbacks: list[Callback]) -> pl.Trainer:
    """The Lightning trainer of one run; our callbacks come before early stopping, so that they see every epoch."""
    # deterministic mode would fill each buffer before it is written, at a cost in time and energy
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)  # tips
    for known in (".*LeafSpec.*deprecated.*", "Found .* module.* in eval mode.*"):  # its own; our frozen backbone
        warnings.filterwarnings("ignore", message=known)
    settings = config["trainer"]
    bar = [TQDMProgressBar()] if settings["progress_bar"] else []
    # wandb's run carries the folder's name; the other loggers take none
    name = {"name": str(folder)} if "Wandb" in config["logger"]["_target_"] else {}
    place = {} if "Dummy" in config["logger"]["_target_"] else {"save_dir": str(folder)}
    return pl.Trainer(
        max_epochs=settings["max_epochs"],
        precision=settings["precision"],
        accumulate_grad_batches=settings["accumulate_grad_batches"],
        gradient_clip_val=settings["gradient_clip"],
        accelerator="gpu" if hardware_of(config)["kind"] == "cuda" else "cpu",
        devices=settings["devices"],
        callbacks=[*callbacks, EarlyStopping("val/score", mode="max", patience=settings["patience"]), *bar],
        logger=construct(config["logger"], **name, **place),
        enable_progress_bar=settings["progress_bar"],
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        default_root_dir=folder,
        plugins=[LightningEnvironment()],  # a run is one process, also under Slurm: no requeueing behind our back
        reload_dataloaders_every_n_epochs=1,  # an epoch's order is a function of (seed, epoch)
        use_distributed_sampler=False,
        log_every_n_steps=1,
        deterministic="warn" if settings["accelerator"] != "cpu" else False,
    )
