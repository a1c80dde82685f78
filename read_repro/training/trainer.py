"""The Lightning trainer of one run: what ``conf/trainer`` chooses, what is the same for every run, what is random."""

import logging
import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping
from pytorch_lightning.loggers import Logger
from pytorch_lightning.plugins import CheckpointIO
from pytorch_lightning.plugins.environments import ClusterEnvironment, LightningEnvironment, TorchElasticEnvironment
from pytorch_lightning.strategies import DDPStrategy

from read_repro.terminal.epochs import EpochView
from read_repro.training.callbacks import BestWeights

NOT_OURS = (
    ".*LeafSpec.*deprecated.*",  # Lightning's use of a torch function; nothing that we could change
    "You're resuming from a checkpoint that ended before the epoch ended.*",  # GlueData knows where to go on
    "Found .* module.* in eval mode.*",  # a side network's backbone, which is frozen and in eval mode on purpose
)


def build_trainer(
    folder: Path,
    logger: Logger | None,
    callbacks: Sequence[Callback],
    files: CheckpointIO,
    *,
    max_epochs: int,
    patience: int,
    precision: str,
    accumulate_grad_batches: int,
    gradient_clip: float,
    accelerator: str,
    devices: int,
    num_nodes: int,
    threads: int | None,
    progress_bar: bool,
    checkpoint_every_min: float | None,
) -> pl.Trainer:
    """The trainer; its callbacks come before early stopping, so that they see every epoch, but for ``Checkpoints``.

    ``threads`` belongs to the whole run, which has set them before anything was built, and ``checkpoint_every_min`` to
    the callback that writes checkpoints; ``files`` is how.
    """
    cpu = accelerator == "cpu" or not torch.cuda.is_available()
    return pl.Trainer(
        max_epochs=max_epochs,
        precision=precision,  # type: ignore[arg-type]  # one of Lightning's names, as the schema has checked
        accumulate_grad_batches=accumulate_grad_batches,
        gradient_clip_val=gradient_clip,
        accelerator="cpu" if cpu else "gpu",
        devices=devices,
        num_nodes=num_nodes,
        strategy=strategy(devices * num_nodes, cpu=cpu),
        callbacks=[
            *callbacks,
            EarlyStopping("val/score", mode="max", patience=patience),
            Screen(show_bar=progress_bar),
        ],
        logger=logger or False,
        enable_progress_bar=False,  # Screen stands in its place
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=folder,
        plugins=[cluster(devices * num_nodes), files],
        reload_dataloaders_every_n_epochs=1,  # an epoch's order is a function of (seed, epoch)
        use_distributed_sampler=False,
        log_every_n_steps=1,
        deterministic="warn" if accelerator != "cpu" else False,
    )


class Screen(Callback):
    """Tells the terminal how far a fit is. Lightning's own bars leave no line an epoch and count no time to the end."""

    def __init__(self, *, show_bar: bool) -> None:
        self.show_bar = show_bar
        self.view: EpochView | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.view = EpochView(
            epochs=trainer.max_epochs or 0,
            steps=int(trainer.num_training_batches),
            show_bar=self.show_bar and trainer.is_global_zero,
        )
        self.view.begin(trainer.current_epoch + 1)  # a run that goes on may begin within any epoch

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.view is not None:
            self.view.begin(trainer.current_epoch + 1)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.view is not None:
            self.view.step(batch_idx + 1, lambda: float(outputs["loss"]))

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.view is not None:
            self.view.validate()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        best = next(each for each in trainer.callbacks if isinstance(each, BestWeights))  # type: ignore[attr-defined]
        if self.view is not None:
            metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}
            self.view.end(metrics, best=best.best[0], best_epoch=best.best_epoch)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._stop()

    def _stop(self) -> None:
        if self.view is not None:
            self.view.stop()


def strategy(processes: int, *, cpu: bool) -> Any:
    """How the processes of a run share its work; of a side network some parameters get no gradient."""
    if processes == 1:
        return "auto"
    return DDPStrategy(process_group_backend="gloo" if cpu else "nccl", find_unused_parameters=True)


def cluster(processes: int) -> ClusterEnvironment:
    """Who starts the processes of a run: torchrun, or else the first of them.

    Never Slurm, of whose variables a run that is one process takes no notice: nothing is requeued behind our back.
    """
    torchrun = processes > 1 and TorchElasticEnvironment.detect()
    return TorchElasticEnvironment() if torchrun else LightningEnvironment()


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


def random_states(device: torch.device) -> dict[str, Any]:
    """The states of every random generator that a run draws from, as tensors and plain values."""
    numpys: Any = np.random.get_state(legacy=False)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "numpy": {**numpys, "state": {**numpys["state"], "key": numpys["state"]["key"].tolist()}},
        "python": random.getstate(),
    }


def set_random_states(states: Mapping[str, Any]) -> None:
    """Let every generator go on where it was."""
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None:
        torch.cuda.set_rng_state(states["cuda"])
    numpys = states["numpy"]
    np.random.set_state({**numpys, "state": {**numpys["state"], "key": np.array(numpys["state"]["key"], np.uint32)}})
    random.setstate(states["python"])
