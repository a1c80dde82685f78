"""Where Lightning logs: one function a file of ``conf/logger``, which the run calls with its folder."""

from pathlib import Path

from pytorch_lightning.loggers import CSVLogger, WandbLogger


def no_logger(folder: Path) -> None:
    """Nothing but the record."""


def csv_logger(folder: Path) -> CSVLogger:
    """``csv/metrics.csv`` in the run's folder."""
    return CSVLogger(folder, name="csv", version="")


def wandb_logger(folder: Path, *, project: str, offline: bool) -> WandbLogger:
    """A run at Weights & Biases that is named as its folder."""
    return WandbLogger(name=str(folder), save_dir=folder, project=project, offline=offline)
