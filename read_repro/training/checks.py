"""What can be checked in seconds, before torch is imported: a user's mistake should not cost a minute."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from read_repro.backbones.checkpoint import Checkpoint
from read_repro.config.schema import RunConfig, TrainerSection
from read_repro.data import sources
from read_repro.data.tasks import Task
from read_repro.errors import InputError, cut_short
from read_repro.training.plain_values import checkpoint_of, task_of


@dataclass(frozen=True)
class Inputs:
    """What a run starts from.

    Args:
        task: what is asked.
        checkpoint: the backbone, its weights located and hashed.
        folder: where the run's record will lie; not made yet.
        rows: the task's rows by file, read and checked.
    """

    task: Task
    checkpoint: Checkpoint
    folder: Path
    rows: sources.Tables


def check(config: RunConfig, folder: Path) -> Inputs:
    """Refuse threads that this machine has not, a place that cannot be written, weights and data that cannot be had.

    Nothing is left in ``folder`` or on the way to it.

    Raises:
        InputError: one line that says what was given, what is allowed and what to do next.
    """
    _check_threads(config.trainer.threads)
    check_writable(folder, "results_dir")
    if config.cache.place == "disk" and config.cache.path is not None:
        check_writable(Path(config.cache.path), "cache.path")
    task, checkpoint = task_of(config.task.plain()), checkpoint_of(config.backbone.plain())
    checkpoint.locate()
    checkpoint.check_choices()
    return Inputs(task, checkpoint, folder, sources.read(task, source=config.data.source, path=config.data.path))


def _check_threads(threads: int | None) -> None:
    """Refuse what torch does not survive: far too many threads end in a segmentation fault."""
    cores = os.cpu_count() or 1
    if threads is not None and threads > cores:
        raise InputError(f"trainer.threads={threads}: this machine has {cores} cores; choose at most that, or null")


def rank_of(trainer: TrainerSection) -> int:
    """Which of a run's processes this one is, by what Lightning or torchrun has put into its environment."""
    if trainer.processes == 1:
        return 0
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return int(os.environ["RANK"])
    return int(os.environ.get("NODE_RANK", "0")) * trainer.devices + int(os.environ.get("LOCAL_RANK", "0"))


def check_writable(folder: Path, key: str) -> None:
    """Refuse a folder that could not be made, tried by making another one beside it for a moment.

    Raises:
        InputError: with what the system says against it, and the key of the configuration that names it.
    """
    try:
        os.rmdir(tempfile.mkdtemp(prefix=".read-repro-", dir=_nearest(folder)))
    except OSError as error:
        raise unwritable(folder, error, key) from error


def unwritable(folder: Path, error: OSError, key: str = "results_dir") -> InputError:
    """One line on a place that the system does not let us write to."""
    return InputError(f"{cut_short(str(folder))} cannot be written to ({error.strerror}): choose another {key}")


def _nearest(folder: Path) -> Path:
    """The folder itself, or of those above it the first that exists."""
    for place in (folder, *folder.parents):
        try:
            place.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        return place
    return Path()
