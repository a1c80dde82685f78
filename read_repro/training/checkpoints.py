"""The checkpoints of a run: all that it needs to go on, after whatever has ended it, as if nothing had.

A checkpoint is a folder. ``weights.safetensors`` holds the trained weights; ``state.pt`` the optimiser, the schedule,
where training stands and the random states, all of it tensors and plain values that are read as such;
``best.safetensors`` is a second name of the best weights so far; ``checkpoint.json``, written last, names the run and
holds the digests of the others. The folder gets its name when all of it is on the disk, and the one before it stays.
"""

import logging
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.plugins import CheckpointIO
from safetensors.torch import load_file

from read_repro.backbones.checkpoint_files import file_sha256
from read_repro.foreign import parse_json, read_text, reason
from read_repro.measure.energy_callback import gathered
from read_repro.measure.peak_memory import PeakMemory, largest
from read_repro.records.fingerprint import Facts, fingerprint
from read_repro.records.record import Metrics
from read_repro.records.store import DIGEST, WEIGHTS, link, signed, sync, write_text
from read_repro.records.typed import Text, typed
from read_repro.training.callbacks import History
from read_repro.training.trainer import random_states, set_random_states
from read_repro.training.weights import save_tensors

logger = logging.getLogger(__name__)
CHECKPOINTS = "checkpoints"  # the folder of them, in that of a try
KEPT = 2  # so many of them: should the last be damaged, the one before it stands
TRAINED, STATE, WHOLE = "weights.safetensors", "state.pt", "checkpoint.json"


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a run that goes on has to know before it trains; as it stands, what a run knows that begins.

    Args:
        resumed: how often it has been resumed.
        windows: how many windows at the beginning of its energy journal are those of tries that nothing came of.
        time_s: of its training so far.
        memory: the peak of its training so far.
        initialised: what the method's initialisation measured, which is not done again.
        store: what was found and filled in the store of frozen states when the run began.
    """

    resumed: int = 0
    windows: int = 0
    time_s: float = 0.0
    memory: Metrics = field(default_factory=dict)
    initialised: Metrics = field(default_factory=dict)
    store: Metrics = field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        """What has to be said beside the numbers of a run that was resumed."""
        times = "once" if self.resumed == 1 else f"{self.resumed} times"
        return (f"resumed {times}: time and energy of all tries, what was done twice included",) if self.resumed else ()


@dataclass(frozen=True, kw_only=True)
class _Whole:
    """The content of ``checkpoint.json``."""

    run: Text
    files: Mapping[Text, Text]
    known: Known


class CheckpointFiles(CheckpointIO):
    """How Lightning writes and reads a checkpoint here.

    Args:
        run: the fingerprint of the run, which is written in.
        best: where the best weights so far lie, if there are any.
    """

    def __init__(self, run: str, best: Path) -> None:
        self.run, self.best = run, best

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write it, all or nothing and for certain; then remove those that are no longer kept."""
        path = Path(path)
        made = path.with_name(f".{path.name}")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        try:
            self._write(checkpoint, made)
            shutil.rmtree(path, ignore_errors=True)
            made.rename(path)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        sync(path.parent)
        for old in _newest_first(path.parent)[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)

    def _write(self, checkpoint: dict[str, Any], made: Path) -> None:
        checkpoint = dict(checkpoint)
        known = checkpoint.pop("known")
        save_tensors(checkpoint.pop("state_dict"), made / TRAINED)
        with (made / STATE).open("xb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        if self.best.exists():
            link(self.best, made / WEIGHTS)
        digests = {file.name: file_sha256(file) for file in sorted(made.iterdir())}
        write_text(made / WHOLE, signed({"run": self.run, "files": digests, "known": known}))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """What was written, on the CPU; nothing in it is code."""
        state = torch.load(Path(path) / STATE, map_location="cpu", weights_only=True)
        return {**state, "state_dict": load_file(Path(path) / TRAINED)}

    def remove_checkpoint(self, path: Any) -> None:
        shutil.rmtree(path, ignore_errors=True)


class Checkpoints(Checkpoint):
    """Writes a checkpoint at every epoch's end, and within an epoch whenever so many minutes have passed.

    Args:
        folder: where they lie.
        history: which takes the writing out of time and energy.
        every_min: the minutes; None: at the ends of epochs only.

    Before the fit it is given ``known``, what the run knows by then, and ``memory``, the peak of its training.
    """

    known: Known
    memory: PeakMemory

    def __init__(self, folder: Path, history: History, *, every_min: float | None) -> None:
        self.folder, self.history, self.every_min = folder, history, every_min
        self._random: dict[str, Any] | None = None
        self._saved_s = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Whatever has drawn random numbers on the way here has not done so in a run that nothing has ended."""
        if self._random is not None:
            set_random_states(self._random)
        self._saved_s = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Not between the batches of one optimiser step, whose gradients are not kept, and not where validation
        follows and then a checkpoint.
        """
        done = batch_idx + 1
        between_steps = done % trainer.accumulate_grad_batches == 0 and done < trainer.num_training_batches
        if self.every_min is None or not between_steps or trainer.should_stop:
            return
        due = time.monotonic() - self._saved_s >= 60 * self.every_min
        if trainer.strategy.reduce_boolean_decision(due, all=False):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._save(trainer)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        memory = reduce(largest, gathered(self.memory.so_far()), self.known.memory)
        checkpoint["known"] = asdict(replace(self.known, time_s=self.history.time_s, memory=memory))
        checkpoint["random"] = gathered(random_states(trainer.strategy.root_device))
        checkpoint["should_stop"] = trainer.should_stop

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._random = checkpoint["random"][trainer.global_rank]
        trainer.should_stop = checkpoint["should_stop"]

    def _save(self, trainer: pl.Trainer) -> None:
        with self.history.outside():
            batches = trainer.fit_loop.total_batch_idx + 1
            trainer.save_checkpoint(self.folder / f"{batches:012d}", weights_only=False)
        self._saved_s = time.monotonic()


def checkpointed_as(wanted: Facts, processes: int) -> str:
    """The fingerprint of a run's facts and of what else its checkpoints rest on."""
    versions = {"layout": 1, "lightning": pl.__version__, "torch": torch.__version__}
    return fingerprint({**wanted, **versions, "processes": processes})


def where_to_start(folder: Path, files: CheckpointFiles, *, windows: int) -> tuple[Path | None, Known]:
    """The last whole checkpoint of the run, with its best weights put in their place; None where training begins.

    What is damaged or another run's is named and removed.

    Args:
        windows: those of the energy journal, one a try: all of tries that nothing came of, if training begins.
    """
    for path in _newest_first(folder):
        try:
            known = _checked(path, files.run)
        except (OSError, ValueError) as error:
            logger.warning("checkpoint %s is not used: %s; the one before it is, if there is one", path, reason(error))
            shutil.rmtree(path, ignore_errors=True)
            continue
        if (path / WEIGHTS).exists() and not files.best.exists():
            link(path / WEIGHTS, files.best)
        logger.info("training goes on where it was ended, from %s", path)
        return path, replace(known, resumed=max(known.resumed + 1, windows - known.windows))
    return None, Known(windows=windows)


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*"), reverse=True)


def _checked(path: Path, run: str) -> Known:
    """Raises OSError or ValueError for a checkpoint that is not whole, or not this run's."""
    text = read_text(path / WHOLE)
    try:
        content = parse_json(text)
    except ValueError:
        content = None
    if not isinstance(content, dict) or signed(content) != text:
        raise ValueError(f"{WHOLE} is damaged")
    del content[DIGEST]
    whole = typed(content, _Whole)
    if whole.run != run:
        raise ValueError("it is another run's, of other settings, data, weights, processes or versions")
    for name, digest in whole.files.items():
        if file_sha256(path / name) != digest:
            raise ValueError(f"{name} is damaged")
    return whole.known
