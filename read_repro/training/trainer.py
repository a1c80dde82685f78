"""The Lightning trainer of one run: what ``conf/trainer`` chooses, and what is the same for every run."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, TQDMProgressBar
from pytorch_lightning.loggers import Logger
from pytorch_lightning.plugins.environments import LightningEnvironment

NOT_OURS = (
    ".*LeafSpec.*deprecated.*",  # Lightning's use of a torch function; nothing that we could change
    "Found .* module.* in eval mode.*",  # a side network's backbone, which is frozen and in eval mode on purpose
)


def build_trainer(
    folder: Path,
    logger: Logger | None,
    callbacks: Sequence[Callback],
    *,
    max_epochs: int,
    patience: int,
    precision: str,
    accumulate_grad_batches: int,
    gradient_clip: float,
    accelerator: str,
    devices: int,
    threads: int | None,
    progress_bar: bool,
) -> pl.Trainer:
    """The trainer; its callbacks come before early stopping, so that they see every epoch.

    ``threads`` belongs to the whole run, which has set them before anything was built.
    """
    bar = [TQDMProgressBar()] if progress_bar else []
    cpu = accelerator == "cpu" or not torch.cuda.is_available()
    return pl.Trainer(
        max_epochs=max_epochs,
        precision=precision,  # type: ignore[arg-type]  # one of Lightning's names, as the schema has checked
        accumulate_grad_batches=accumulate_grad_batches,
        gradient_clip_val=gradient_clip,
        accelerator="cpu" if cpu else "gpu",
        devices=devices,
        callbacks=[*callbacks, EarlyStopping("val/score", mode="max", patience=patience), *bar],
        logger=logger or False,
        enable_progress_bar=progress_bar,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        default_root_dir=folder,
        plugins=[LightningEnvironment()],  # a run is one process, also under Slurm: no requeueing behind our back
        reload_dataloaders_every_n_epochs=1,  # an epoch's order is a function of (seed, epoch)
        use_distributed_sampler=False,
        log_every_n_steps=1,
        deterministic="warn" if accelerator != "cpu" else False,
    )


@contextmanager
def lightnings_settings() -> Iterator[None]:
    """Around a run's trainer, its fit and its test: less noise, and no filling of buffers; all is as it was afterwards.

    Deterministic mode would fill every buffer before it is written, which costs time and energy and changes no result.
    Lightning's tips at level INFO and its known warnings would hide what a run itself has to say.
    """
    tips = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level, torchs = tips.level, cast(Any, torch.utils.deterministic)  # its types do not show the attribute
    fills = torchs.fill_uninitialized_memory
    tips.setLevel(logging.WARNING)
    torchs.fill_uninitialized_memory = False
    try:
        with warnings.catch_warnings():
            for known in NOT_OURS:
                warnings.filterwarnings("ignore", message=known)
            yield
    finally:
        tips.setLevel(level)
        torchs.fill_uninitialized_memory = fills
