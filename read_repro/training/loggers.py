"""Where Lightning logs: one function a file of ``conf/logger``, which the run calls with its folder."""

from itertools import count
from pathlib import Path

from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger


def no_logger(folder: Path) -> None:
    """Nothing but the record."""


def csv_logger(folder: Path) -> CSVLogger:
    """``csv/metrics.csv`` in the run's folder; what earlier tries wrote stays beside it, as ``csv.1`` and so on."""
    earlier = folder / "csv"
    if earlier.exists():
        earlier.rename(next(place for n in count(1) if not (place := folder / f"csv.{n}").exists()))
    return CSVLogger(folder, name="csv", version="")


def wandb_logger(folder: Path, *, project: str, offline: bool) -> WandbLogger:
    """A run at Weights & Biases that is named as its folder."""
    return WandbLogger(name=str(folder), save_dir=folder, project=project, offline=offline)


def close(logger: Logger | None) -> None:
    """End what a logger keeps open, such as a wandb run: else the next run of this process would go on in it."""
    finish = getattr(getattr(logger, "experiment", None), "finish", None)
    if finish is not None:
        finish()
