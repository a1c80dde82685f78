"""Fit, test and measure: the part of a record that a run finds out."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from read_repro.config.schema import RunConfig
from read_repro.data.datamodule import GlueData
from read_repro.errors import Stopped
from read_repro.measure.energy_callback import EnergyCallback, gathered
from read_repro.measure.energy_formulas import Window
from read_repro.measure.energy_journal import earlier_tries, read_windows
from read_repro.measure.energy_meter import EnergyMeter
from read_repro.measure.energy_summary import duration_s
from read_repro.measure.parameters import count
from read_repro.measure.peak_memory import PeakMemory, SavedForBackward, largest
from read_repro.methods.base import Method
from read_repro.records.fingerprint import Facts
from read_repro.records.record import Hardware
from read_repro.training import frozen_states
from read_repro.training.attempt import JOURNAL
from read_repro.training.callbacks import BestWeights, Divergence, History, Latency, TestedClasses
from read_repro.training.checkpoints import (
    CHECKPOINTS,
    CheckpointFiles,
    Checkpoints,
    Known,
    checkpointed_as,
    where_to_start,
)
from read_repro.training.checks import rank_of
from read_repro.training.loggers import close
from read_repro.training.parts import Parts, data_info
from read_repro.training.provenance import commit
from read_repro.training.weights import load_trainable


@dataclass(frozen=True)
class Watch:
    """Who watches a run's training, in the order in which each is told of a step."""

    energy: EnergyCallback
    divergence: Divergence
    best: BestWeights
    history: History
    latency: Latency
    by_class: TestedClasses
    checkpoints: Checkpoints

    @property
    def callbacks(self) -> list[Any]:
        return list(vars(self).values())

    @property
    def diverged(self) -> bool:
        return self.divergence.step is not None

    def outcome(self) -> dict[str, Any]:
        """How the training went, for the record."""
        return {
            "status": "diverged" if self.diverged else "finished",
            "diverged_step": self.divergence.step,
            "history": tuple(self.history.rows),
            "epochs": len(self.history.rows),
            "best_epoch": self.best.best_epoch,
            "steps": self.history.steps,
            "resumed": self.checkpoints.known.resumed,
            "trained_weights": self.best.digest,
            "classes": self.by_class.scores,
            "confusion": self.by_class.confusion,
        }


def watch(config: RunConfig, attempt: Path, journal: Path, classes: Sequence[str]) -> Watch:
    """The watchers of a run whose weights, checkpoints and journal lie in ``attempt`` until all is done."""
    energy: EnergyCallback = config.energy.build(journal_path=journal)
    history = History(energy)
    checkpoints = Checkpoints(attempt / CHECKPOINTS, history, every_min=config.trainer.checkpoint_every_min)
    best = BestWeights(attempt, history)
    return Watch(energy, Divergence(), best, history, Latency(), TestedClasses(classes), checkpoints)


def train_and_test(
    parts: Parts, config: RunConfig, folder: Path, attempt: Path, hardware: Hardware, wanted: Facts
) -> dict[str, Any]:
    """Fit with early stopping, test the best weights, and measure on the way; returns the record's measured part.

    Args:
        folder: the run's, where its logger writes.
        attempt: see ``watch``.
        wanted: the facts of the run.
    """
    rank = rank_of(config.trainer)
    journal = attempt / (f"{rank}.{JOURNAL}" if rank else JOURNAL)
    method, data, watched = parts.method, parts.data, watch(config, attempt, journal, parts.task.classes)
    files = CheckpointFiles(checkpointed_as(wanted, config.trainer.processes), watched.best.path)
    logger = None if rank else config.logger.build()(folder)
    trainer: pl.Trainer = config.trainer.build()(folder, logger, watched.callbacks, files)
    device, energy = trainer.strategy.root_device, watched.energy
    if rank:
        trainer.strategy.setup_environment()  # returns once the first process has come to its fit, past what follows
    start, known, earlier_kwh, earlier_labels = resume(watched, files, read_windows(journal))
    sizes = count(method)
    initialised = known.initialised if start else initialise(method, data, energy.meter_for(trainer), device)
    states = prepare_states(parts, config, energy.meter_for(trainer), device, hardware)
    store = {**states.metrics, **known.store}
    watched.checkpoints.known = replace(known, initialised=initialised, store=frozen_states.as_found(store))
    with PeakMemory("train", device) as memory:
        watched.checkpoints.memory = memory
        fit(trainer, method, data, start)
    scores = ended(parts, trainer, watched, states)
    close(trainer.logger)
    peak = reduce(largest, gathered(memory.metrics()), known.memory)
    return {
        **watched.outcome(),
        "labels": (*run_labels(device, data, energy, memory), *earlier_labels, *states.labels, *known.labels),
        "metrics": {
            **scores,
            "test/majority": data.majority_score,
            **watched.history.metrics(),
            **energy.summary(),
            **earlier_kwh,
            **resident_after(initialised, peak),
            **sizes,
            **initialised,
            **store,
        },
        "data_info": data_info(data, config.data.train_limit),
    }


def resume(
    watched: Watch, files: CheckpointFiles, windows: Sequence[Window]
) -> tuple[Path | None, Known, dict[str, float | None], list[str]]:
    """The checkpoint to start from with what is known by then, and what tries have spent that nothing came of.

    Args:
        windows: of the energy journal of all tries so far.
    """
    start, known = where_to_start(watched.checkpoints.folder, files, windows=len(windows))
    own = tuple(windows[known.windows :])
    watched.energy.earlier, watched.history.earlier_s = own, max(known.time_s, duration_s(own))
    return start, known, *earlier_tries(windows[: known.windows])


def initialise(method: Method, data: GlueData, meter: EnergyMeter, device: torch.device) -> dict[str, Any]:
    """What the method does before training, with its energy apart: the paper's argument against LST rests on the cost
    of LST's pruning. Empty for a method that does nothing.
    """
    with meter:
        done = method.initialise(data.single_examples, device)
    return done and {**done, **{f"init/{key}": value for key, value in meter.summary().items()}}


def prepare_states(
    parts: Parts, config: RunConfig, meter: EnergyMeter, device: torch.device, hardware: Hardware
) -> frozen_states.FrozenStates:
    """The frozen states that the run reads from the store, as far as ``cache`` asks for them."""
    return frozen_states.prepare(
        parts.method,
        parts.data,
        config.cache,
        weights=parts.checkpoint.weights_fingerprint(),
        meter=meter,
        device=device,
        show_bar=config.trainer.progress_bar,
        about={"hardware": asdict(hardware), "commit": commit()},
    )


def fit(trainer: pl.Trainer, method: Method, data: GlueData, start: Path | None) -> None:
    """Train to the end, from the checkpoint ``start`` on. A run that was told to stop leaves no record: its numbers
    would be those of a shorter one.
    """
    trainer.fit(method, datamodule=data, ckpt_path=start)
    if trainer.received_sigterm or trainer.interrupted:
        raise Stopped(signal.SIGTERM if trainer.received_sigterm else signal.SIGINT)


def ended(
    parts: Parts, trainer: pl.Trainer, watched: Watch, states: frozen_states.FrozenStates
) -> dict[str, float | None]:
    """The scores of a run that has trained: none of one that diverged, whose weights are no result."""
    if watched.diverged:
        watched.best.forget()
        return {}
    validated = watched.history.validated(watched.best.best_epoch)
    return {**validated, **tested(parts, trainer, watched.best, watched.latency, states)}


def tested(
    parts: Parts, trainer: pl.Trainer, best: BestWeights, latency: Latency, states: frozen_states.FrozenStates
) -> dict[str, float | None]:
    """The test scores of the best weights, merged into the backbone's where that can be done, with memory and latency.

    Where stored states stand for the backbone, prediction has neither a latency nor a memory that could be compared.
    """
    method, device = parts.method, trainer.strategy.root_device
    trainer.strategy.barrier("the best weights are written")
    load_trainable(method, best.path)
    saved = saved_for_backward(method, parts.data, device)
    method.zero_grad(set_to_none=True)  # gradients are no part of inference memory
    method.merge()
    with PeakMemory("inference", device) as memory:
        scores = trainer.test(method, datamodule=parts.data, verbose=False)[0]
    if states.used:
        return {**scores, **saved, "time/latency_s": None}
    return {**scores, **saved, **latency.metrics(), **memory.metrics()}


def run_labels(device: torch.device, data: GlueData, energy: EnergyCallback, memory: PeakMemory) -> tuple[str, ...]:
    """What has to be said beside a run's numbers wherever they show."""
    return (*([] if device.type == "cuda" else ["CPU"]), *data.labels, *energy.summary_labels(), *memory.labels())


def resident_after(initialised: Mapping[str, Any], peak: Mapping[str, float | None]) -> dict[str, float | None]:
    """No resident peak after an initialisation that grew the process before the window opened (LST's pruning)."""
    return {key: None if initialised and key.endswith("resident_gib") else value for key, value in peak.items()}


def saved_for_backward(method: Method, data: GlueData, device: torch.device) -> dict[str, float | None]:
    """Bytes that the forward pass of the longest training examples keeps for the backward pass, in 32 bit."""
    batch = {key: value.to(device) for key, value in data.longest_batch().items()}
    method.to(device).train()
    with SavedForBackward(method.parameters()) as saved:
        method.backbone.loss(method(batch), batch)
    method.eval()
    return saved.metrics()
