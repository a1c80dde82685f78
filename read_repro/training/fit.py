"""Fit, test and measure: the part of a record that a run finds out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.loggers import WandbLogger

from read_repro.data.datamodule import GlueData
from read_repro.measure.energy_callback import EnergyCallback
from read_repro.measure.energy_journal import earlier_tries
from read_repro.measure.parameters import count
from read_repro.measure.peak_memory import PeakMemory, SavedForBackward
from read_repro.methods.base import Method
from read_repro.records.record import DataInfo
from read_repro.training import frozen_states
from read_repro.training.callbacks import BestWeights, History, Latency
from read_repro.training.checks import construct
from read_repro.training.parts import Parts
from read_repro.training.provenance import commit, hardware_of
from read_repro.training.trainer import build_trainer
from read_repro.training.weights import load_trainable

JOURNAL = "journal.jsonl"


def train_and_test(parts: Parts, config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Fit with early stopping, test the best weights, and measure on the way; returns the record's measured part."""
    method, data = parts.method, parts.data
    earlier_kwh, earlier_labels = earlier_tries(folder / JOURNAL)
    energy: EnergyCallback = construct(config["energy"], journal_path=folder / JOURNAL)
    history, best, latency = History(energy), BestWeights(folder), Latency()
    trainer = build_trainer(config, folder, [energy, best, history, latency])
    device = trainer.strategy.root_device
    sizes = count(method)
    with energy.meter_for(trainer) as init_energy:
        initialised = method.initialise(data.single_examples, device)
    if initialised:  # LST's pruning: the paper's argument against LST rests on its cost, so it is recorded apart
        initialised |= {f"init/{key}": value for key, value in init_energy.summary().items()}
    states = frozen_states.prepare(
        method,
        data,
        **config["cache"],
        weights=parts.checkpoint.weights_fingerprint(),
        meter=energy.meter_for(trainer),
        device=device,
        show_bar=config["trainer"]["progress_bar"],
        about={"hardware": hardware_of(config), "commit": commit()},
    )
    with PeakMemory("train", device) as train_memory:
        trainer.fit(method, datamodule=data)
    if trainer.received_sigterm or trainer.interrupted:
        raise KeyboardInterrupt("the run was told to stop: no record")
    assert energy.meter is not None
    method.zero_grad(set_to_none=True)  # gradients are no part of inference memory
    load_trainable(method, best.path)
    saved = saved_for_backward(method, data, device)
    method.merge()
    with PeakMemory("inference", device) as inference_memory:
        tested = trainer.test(method, datamodule=data, verbose=False)[0]
    if isinstance(trainer.logger, WandbLogger):
        trainer.logger.experiment.finish()  # else the next run of this process would go on in this one
    row = history.rows[best.best_epoch - 1]
    return {
        "labels": (
            *([] if device.type == "cuda" else ["CPU"]),
            *data.labels,
            *energy.meter.summary_labels(),
            *earlier_labels,
            *train_memory.labels(),
            *states.labels,
        ),
        "metrics": {
            **{key: value for key, value in row.items() if key.startswith("val/")},
            **tested,
            "test/majority": data.majority_score,
            **history.metrics(),
            **({"time/latency_s": None} if states.used else latency.metrics()),  # no latency without a backbone
            **energy.meter.summary(),
            **earlier_kwh,
            **resident_after(initialised, train_memory.metrics()),
            **({} if states.used else inference_memory.metrics()),
            **saved,
            **sizes,
            **initialised,
            **states.metrics,
        },
        "history": tuple(history.rows),
        "epochs": len(history.rows),
        "best_epoch": best.best_epoch,
        "steps": history.steps,
        "trained_weights": best.digest,
        "data_info": DataInfo(
            fingerprint=data.fingerprint,
            sizes=data.sizes,
            cut=data.cut,
            train_limit=config["data"]["train_limit"],
            truncated_share=data.truncated_share,
            padding_share=data.padding_share,
        ),
    }


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
