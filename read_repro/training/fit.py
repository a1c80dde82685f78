"""Fit, test and measure: the part of a record that a run finds out."""

import signal
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger

from read_repro.config.schema import RunConfig
from read_repro.data.datamodule import GlueData
from read_repro.errors import Stopped
from read_repro.measure.energy_callback import EnergyCallback
from read_repro.measure.energy_journal import earlier_tries
from read_repro.measure.energy_meter import EnergyMeter
from read_repro.measure.parameters import count
from read_repro.measure.peak_memory import PeakMemory, SavedForBackward
from read_repro.methods.base import Method
from read_repro.records.record import DataInfo, Hardware
from read_repro.training import frozen_states
from read_repro.training.attempt import JOURNAL
from read_repro.training.callbacks import BestWeights, Divergence, History, Latency
from read_repro.training.parts import Parts
from read_repro.training.provenance import commit
from read_repro.training.weights import load_trainable


def train_and_test(parts: Parts, config: RunConfig, folder: Path, attempt: Path, hardware: Hardware) -> dict[str, Any]:
    """Fit with early stopping, test the best weights, and measure on the way; returns the record's measured part.

    Args:
        folder: the run's, where its logger writes.
        attempt: where its weights and its journal lie until all is done.
    """
    method, data = parts.method, parts.data
    earlier_kwh, earlier_labels = earlier_tries(attempt / JOURNAL)
    energy: EnergyCallback = config.energy.build(journal_path=attempt / JOURNAL)
    history, best, latency, divergence = History(energy), BestWeights(attempt), Latency(), Divergence()
    logger = config.logger.build()(folder)
    trainer: pl.Trainer = config.trainer.build()(folder, logger, [energy, divergence, best, history, latency])
    device = trainer.strategy.root_device
    sizes = count(method)
    initialised = initialise(method, data, energy.meter_for(trainer), device)
    states = prepare_states(parts, config, energy.meter_for(trainer), device, hardware)
    with PeakMemory("train", device) as train_memory:
        fit(trainer, method, data)
    assert energy.meter is not None
    if divergence.step is None:
        scores = {**history.validated(best.best_epoch), **tested(parts, trainer, best, latency, states)}
    else:
        best.forget()
        scores = {}
    close(trainer.logger)
    return {
        "status": "finished" if divergence.step is None else "diverged",
        "diverged_step": divergence.step,
        "labels": (*run_labels(device, data, energy.meter, train_memory), *earlier_labels, *states.labels),
        "metrics": {
            **scores,
            "test/majority": data.majority_score,
            **history.metrics(),
            **energy.meter.summary(),
            **earlier_kwh,
            **resident_after(initialised, train_memory.metrics()),
            **sizes,
            **initialised,
            **states.metrics,
        },
        "history": tuple(history.rows),
        "epochs": len(history.rows),
        "best_epoch": best.best_epoch,
        "steps": history.steps,
        "trained_weights": best.digest,
        "data_info": data_info(data, config.data.train_limit),
    }


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


def fit(trainer: pl.Trainer, method: Method, data: GlueData) -> None:
    """Train to the end. A run that was told to stop leaves no record: its numbers would be those of a shorter one."""
    trainer.fit(method, datamodule=data)
    if trainer.received_sigterm or trainer.interrupted:
        raise Stopped(signal.SIGTERM if trainer.received_sigterm else signal.SIGINT)


def tested(
    parts: Parts, trainer: pl.Trainer, best: BestWeights, latency: Latency, states: frozen_states.FrozenStates
) -> dict[str, float | None]:
    """The test scores of the best weights, merged into the backbone's where that can be done, with memory and latency.

    Where stored states stand for the backbone, prediction has neither a latency nor a memory that could be compared.
    """
    method, device = parts.method, trainer.strategy.root_device
    load_trainable(method, best.path)
    saved = saved_for_backward(method, parts.data, device)
    method.zero_grad(set_to_none=True)  # gradients are no part of inference memory
    method.merge()
    with PeakMemory("inference", device) as memory:
        scores = trainer.test(method, datamodule=parts.data, verbose=False)[0]
    if states.used:
        return {**scores, **saved, "time/latency_s": None}
    return {**scores, **saved, **latency.metrics(), **memory.metrics()}


def close(logger: Logger | None) -> None:
    """End what a logger keeps open, such as a wandb run: else the next run of this process would go on in it."""
    finish = getattr(getattr(logger, "experiment", None), "finish", None)
    if finish is not None:
        finish()


def run_labels(device: torch.device, data: GlueData, meter: EnergyMeter, memory: PeakMemory) -> tuple[str, ...]:
    """What has to be said beside a run's numbers wherever they show."""
    return (*([] if device.type == "cuda" else ["CPU"]), *data.labels, *meter.summary_labels(), *memory.labels())


def data_info(data: GlueData, train_limit: int | None) -> DataInfo:
    """What the record says of the data."""
    return DataInfo(
        fingerprint=data.fingerprint,
        sizes=data.sizes,
        cut=data.cut,
        train_limit=train_limit,
        truncated_share=data.truncated_share,
        padding_share=data.padding_share,
    )


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
