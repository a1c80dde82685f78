"""What is watched while a run trains: its history, its best weights, its speed."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from read_repro.data.metrics import by_class
from read_repro.measure.energy_callback import EnergyCallback, gathered
from read_repro.methods.base import Method
from read_repro.records.record import ClassScores
from read_repro.records.store import WEIGHTS
from read_repro.training.weights import save_trainable


class BestWeights(pl.Callback):
    """Keeps the trained weights of the epoch with the best validation score; of equal scores, that with the lower loss.

    On a small validation set scores are often equal, and the first of them may be far from trained.
    Only what a method trains is saved: the backbone is the checkpoint it came from. The history takes the writing out
    of time and energy.
    """

    def __init__(self, folder: Path, history: "History") -> None:
        self.path, self.history = folder / WEIGHTS, history
        self.best, self.best_epoch = (-math.inf, -math.inf), 0  # (score, -loss) of the best epoch
        self.digest: str | None = None  # of the file's content, for the record

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Method)
        score, loss = (float(trainer.callback_metrics[key]) for key in ("val/score", "val/loss"))
        if (score, -loss) > self.best:
            self.best, self.best_epoch = (score, -loss), trainer.current_epoch + 1
            if trainer.is_global_zero:
                with self.history.outside():
                    self.digest = save_trainable(pl_module, self.path)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "digest": self.digest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.best_epoch, self.digest = (state_dict[key] for key in ("best", "best_epoch", "digest"))

    def forget(self) -> None:
        """Drop what was kept: of a run that diverged no weights are the result."""
        self.path.unlink(missing_ok=True)
        self.best_epoch, self.digest = 0, None


class Divergence(pl.Callback):
    """Notices the first step whose loss is no number, and ends the training there: nothing would come of the rest.

    Looking at a loss makes the processor wait for the GPU, so the step is kept there and looked at now and then.
    """

    LOOK_EVERY = 100  # batches

    def __init__(self) -> None:
        self.step: int | None = None  # the optimiser's step whose loss left the numbers, counted from 1
        self._first = torch.tensor(0)  # the same on the device; 0: none yet

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        self._towards = trainer.global_step + 1

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs["loss"].detach()
        first = self._first.to(loss.device)
        self._first = torch.where((first == 0) & ~torch.isfinite(loss), self._towards, first)
        if batch_idx % self.LOOK_EVERY == self.LOOK_EVERY - 1:
            self._look(trainer)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._look(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The last step of an epoch shows in the loss of validation only."""
        if self.step is None and not math.isfinite(trainer.callback_metrics["val/loss"]):
            self._found(trainer, trainer.global_step)

    def _look(self, trainer: pl.Trainer) -> None:
        """Of several processes one may have seen it, and all have to stop."""
        if self.step is None and (first := int(trainer.strategy.reduce(self._first, reduce_op="max"))):
            self._found(trainer, first)

    def _found(self, trainer: pl.Trainer, step: int) -> None:
        self.step, trainer.should_stop = step, True

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step, "first": self._first.cpu()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.step, self._first = state_dict["step"], state_dict["first"]


class History(pl.Callback):
    """One row an epoch: validation metrics, training loss, time and energy since the start; and the training speed.

    ``train_s`` counts the training steps alone, ``time_s`` validation too, as the energy does (up to its end; by Eq.
    (4), or without a GPU by the CPU's estimate). What is done ``outside`` is no part of either.

    Args:
        energy: the window of the fit.

    ``earlier_s`` is the time of the tries that the fit resumes, if it does.
    """

    def __init__(self, energy: EnergyCallback) -> None:
        self.energy, self.earlier_s = energy, 0.0
        self.rows: list[dict[str, Any]] = []
        self.train_s, self.steps, self.examples, self.saving_s = 0.0, 0, 0, 0.0
        self._started_s: float | None = None
        self._steps_since_s: float | None = None  # None while no steps are made

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Around what is done during a fit but is no part of training: the writing of weights and checkpoints."""
        with self.energy.paused():
            started_s = clock()
            yield
            self.saving_s += clock() - started_s

    @property
    def time_s(self) -> float:
        """Of training and validation so far, in all tries."""
        return self.earlier_s + (0.0 if self._started_s is None else self._clock() - self._started_s)

    def _clock(self) -> float:
        return clock() - self.saving_s

    def _steps_s(self) -> float:
        return self.train_s + (0.0 if self._steps_since_s is None else self._clock() - self._steps_since_s)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started_s = self._steps_since_s = self._clock()  # a run that is resumed may begin within an epoch

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._steps_since_s = self._clock()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        self.examples += len(args[1]["labels"])

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.train_s, self._steps_since_s = self._steps_s(), None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        metrics = {key: finite(value) for key, value in sorted(trainer.callback_metrics.items())}
        self.rows.append(
            {
                "epoch": trainer.current_epoch + 1,
                **metrics,
                "time_s": self.time_s,
                "energy_kwh": self.energy.so_far_kwh,
            }
        )

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.steps = trainer.global_step

    def state_dict(self) -> dict[str, Any]:
        kept = {"rows": self.rows, "examples": self.examples, "saving_s": self.saving_s}
        return {**kept, "train_s": self._steps_s()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self.examples = state_dict["rows"], state_dict["examples"]
        self.saving_s, self.train_s = state_dict["saving_s"], state_dict["train_s"]

    def validated(self, epoch: int) -> dict[str, float | None]:
        """The validation metrics of an epoch, counted from 1."""
        return {key: value for key, value in self.rows[epoch - 1].items() if key.startswith("val/")}

    def metrics(self) -> dict[str, float | None]:
        """Speed of the training steps; the time of the whole fit, validation included; and that of saving beside it."""
        return {
            "time/train_s": self.rows[-1]["time_s"],
            "time/saving_s": self.saving_s,
            "time/step_s": self.train_s / self.steps,
            "time/examples_per_s": sum(gathered(self.examples)) / self.train_s,
        }


class TestedClasses(pl.Callback):
    """Keeps the scores of each class of the test; none for a task of numbers."""

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = classes
        self.scores: tuple[ClassScores, ...] = ()
        self.confusion: tuple[tuple[int, ...], ...] = ()

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Lightning asks callbacks before the method itself, which then gives up its outcomes."""
        assert isinstance(pl_module, Method)
        if not self.classes:
            return
        predictions, labels = (torch.cat(column).tolist() for column in zip(*pl_module.outcomes, strict=True))
        found = by_class(predictions, labels, len(self.classes))
        columns = zip(self.classes, found.precision, found.recall, found.f1, found.examples, strict=True)
        self.scores = tuple(
            ClassScores(name=name, precision=precision, recall=recall, f1=f1, examples=examples)
            for name, precision, recall, f1, examples in columns
        )
        self.confusion = found.confusion


class Latency(pl.Callback):
    """The time of prediction alone, without set-up, collation or scores; the first batch warms up, uncounted."""

    def __init__(self) -> None:
        self.started_s = self.total_s = 0.0
        self.examples = 0

    def on_test_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        self.started_s = clock()

    def on_test_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int, *args: Any
    ) -> None:
        if batch_idx > 0:
            self.total_s += clock() - self.started_s
            self.examples += len(batch["labels"])

    def metrics(self) -> dict[str, float | None]:
        """Seconds an example; None where there was but one batch."""
        return {"time/latency_s": self.total_s / self.examples if self.examples else None}


def finite(value: Any) -> float | None:
    """A number that JSON has, or None: a loss that ran away is not a number to show."""
    return float(value) if math.isfinite(value) else None


def clock() -> float:
    """Seconds, with the device's queued work done."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()
