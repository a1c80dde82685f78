"""One run: build, fit, test, record. The one room where configuration, data, methods and measurements meet."""

import logging
import platform
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from filelock import FileLock, Timeout
from pytorch_lightning.callbacks import Callback, EarlyStopping, TQDMProgressBar
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.plugins.environments import LightningEnvironment
from transformers import PreTrainedTokenizerBase

from read_repro.backbones.build import build_backbone
from read_repro.backbones.checkpoint import Checkpoint
from read_repro.backbones.label_decoding import Answers
from read_repro.data import metrics
from read_repro.data.datamodule import GlueData, load
from read_repro.data.sources import Tables
from read_repro.data.tasks import Task
from read_repro.errors import InputError
from read_repro.measure.energy_journal import read_journal
from read_repro.measure.energy_meter import EnergyCallback
from read_repro.measure.parameters import count
from read_repro.measure.peak_memory import PeakMemory, SavedForBackward
from read_repro.methods.base import Method, Optimisation
from read_repro.records.naming import run_name
from read_repro.records.store import RESULT, SCHEMA, finished, sweep_leftovers, write_json
from read_repro.training.callbacks import BestWeights, History, Latency, load_trainable
from read_repro.training.checks import construct
from read_repro.training.provenance import commit, hardware_of

logger = logging.getLogger(__name__)
JOURNAL = "journal.jsonl"
PACKAGES = ("torch", "transformers", "peft", "pytorch-lightning", "datasets", "read-repro")


@dataclass(frozen=True)
class Parts:
    """What a run is made of."""

    task: Task
    checkpoint: Checkpoint
    tokenizer: PreTrainedTokenizerBase
    data: GlueData
    method: Method


def run(config: Mapping[str, Any], identity: Mapping[str, Any], folder: Path, tables: Tables) -> dict[str, Any]:
    """Do the run that ``config`` describes, unless its record is there; returns the record.

    Args:
        config: resolved, plain values.
        identity: backbone, data, task, method, setting and seed, which name the run.
        folder: its place; must exist.
        tables: the task's rows, read and checked.

    Raises:
        InputError: a record of another run in that place, the run under way elsewhere, or hardware that lacks what is
            asked. Whatever else fails leaves ``error.txt`` in the folder, and no record.
    """
    try:
        with FileLock(folder / ".lock", timeout=1):
            return _run_locked(config, identity, folder, tables)
    except Timeout as error:
        raise InputError(f"{folder} is being run by another process: wait for it") from error


def _run_locked(config: Mapping[str, Any], identity: Mapping[str, Any], folder: Path, tables: Tables) -> dict[str, Any]:
    sweep_leftovers(folder)
    if config["trainer"]["threads"] is not None:
        torch.set_num_threads(config["trainer"]["threads"])
    hardware = hardware_of(config)
    parts = build(config, tables)
    facts = {
        "data_info.fingerprint": parts.data.fingerprint,
        "weights": parts.checkpoint.weights_fingerprint(),
        "hardware.kind": hardware["kind"],
        "setting": identity["setting"],
        **({"hardware.name": hardware["name"]} if hardware["kind"] == "cuda" else {}),
    }
    if not config["force"] and (record := finished(folder, facts)) is not None:
        logger.info("done before: %s (force=true runs it again)", folder / RESULT)
        return record
    if config["dry_run"]:
        logger.info("would run %s: %s", folder, {**parts.data.sizes, **count(parts.method)})
        return {}
    for replaced in (RESULT, JOURNAL) if config["force"] else (RESULT,):
        (folder / replaced).unlink(missing_ok=True)
    try:
        record = {
            "schema": SCHEMA,
            "kind": "run",
            "status": "finished",
            "run": run_name(**identity),
            **identity,
            "config": config,
            "weights": facts["weights"],
            "hardware": hardware,
            "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
            "commit": commit(),
            **train_and_test(parts, config, folder),
        }
        write_json(folder / RESULT, record)
    except BaseException:
        (folder / "error.txt").write_text(traceback.format_exc())
        raise
    (folder / "error.txt").unlink(missing_ok=True)
    logger.info("test/score %.2f, record: %s", record["metrics"]["test/score"], folder / RESULT)
    return record


def build(config: Mapping[str, Any], tables: Tables) -> Parts:
    """Task, data, backbone and method, all from plain values; the seed fixes every weight that is drawn."""
    task, checkpoint = construct(config["task"]), construct(config["backbone"])
    settings, trainer = config["data"], config["trainer"]
    tokenizer = checkpoint.tokenizer(lambda: training_text(task, settings, tables))
    text_to_text = checkpoint.text_to_text
    data = GlueData(task, tokenizer, tables=tables, text_to_text=text_to_text, seed=config["seed"], **settings)
    data.setup()
    batches_per_step = trainer["accumulate_grad_batches"] * trainer["devices"]
    total_steps = -(-data.steps_per_epoch // batches_per_step) * trainer["max_epochs"]
    return Parts(task, checkpoint, tokenizer, data, build_method(config, task, checkpoint, tokenizer, total_steps))


def build_method(
    config: Mapping[str, Any], task: Task, checkpoint: Checkpoint, tokenizer: PreTrainedTokenizerBase, total_steps: int
) -> Method:
    """The method on its backbone, as its run will train it for ``total_steps``."""
    pl.seed_everything(config["seed"], verbose=False)
    strings = task.answers(config["data"]["targets"])
    tokens = tuple(tuple(tokenizer(text).input_ids) for text in strings)
    backbone = build_backbone(
        checkpoint,
        answers=Answers(tokens, tuple(map(task.value, strings))) if checkpoint.text_to_text else None,
        outputs=task.outputs,
        regression=task.regression,
    )
    optim = config["optim"]
    plan = Optimisation(
        lr=optim["lr"], weight_decay=optim["weight_decay"], warmup=optim["warmup"], total_steps=total_steps
    )
    return construct(config["method"], backbone, plan, partial(metrics.score, task.metric))


def training_text(task: Task, settings: Mapping[str, Any], tables: Tables | None) -> list[str]:
    """The source texts of the training split and all answers, for a tokenizer of our own."""
    wanted = {key: settings[key] for key in ("source", "path", "train_limit")}
    rows, targets = load(task, **wanted, tables=tables).train, settings["targets"]
    return [*(task.source(row, targets) for row in rows), *task.answers(targets)]


def train_and_test(parts: Parts, config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Fit with early stopping, test the best weights, and measure on the way; returns the record's measured part."""
    method, data = parts.method, parts.data
    earlier_kwh = energy_of_earlier_tries(folder / JOURNAL)
    energy: EnergyCallback = construct(config["energy"], journal_path=folder / JOURNAL)
    history, best, latency = History(energy), BestWeights(folder), Latency()
    trainer = build_trainer(config, folder, [energy, best, history, latency])
    device = trainer.strategy.root_device
    sizes = count(method)
    with energy.meter_for(trainer) as init_energy:
        initialised = method.to(device).initialise(data.single_examples)
    if initialised:  # LST's pruning: the paper's argument against LST rests on its cost, so it is recorded apart
        initialised |= {f"init/{key}": value for key, value in init_energy.summary().items()}
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
        "labels": [
            *([] if device.type == "cuda" else ["CPU"]),
            *data.labels,
            *energy.meter.summary_labels(),
            *train_memory.labels(),
        ],
        "metrics": {
            **{key: value for key, value in row.items() if key.startswith("val/")},
            **tested,
            "test/majority": data.majority_score,
            **history.metrics(),
            **latency.metrics(),
            **energy.meter.summary(),
            **earlier_kwh,
            **resident_after(initialised, train_memory.metrics()),
            **resident_after(initialised, inference_memory.metrics()),
            **saved,
            **sizes,
            **initialised,
        },
        "history": history.rows,
        "epochs": len(history.rows),
        "best_epoch": best.best_epoch,
        "steps": history.steps,
        "data_info": {
            "fingerprint": data.fingerprint,
            "sizes": data.sizes,
            "cut": data.cut,
            "train_limit": config["data"]["train_limit"],
            "truncated_share": data.truncated_share,
            "padding_share": data.padding_share,
        },
    }


def build_trainer(config: Mapping[str, Any], folder: Path, callbacks: list[Callback]) -> pl.Trainer:
    """The Lightning trainer of one run; our callbacks come before early stopping, so that they see every epoch."""
    # deterministic mode would fill each buffer before it is written, at a cost in time and energy
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)  # tips
    for known in (".*LeafSpec.*deprecated.*", "Found .* module.* in eval mode.*"):  # its own; our frozen backbone
        warnings.filterwarnings("ignore", message=known)
    settings = config["trainer"]
    bar = [TQDMProgressBar()] if settings["progress_bar"] else []
    # wandb's run carries the folder's name; the other loggers take none
    name = {"name": str(folder)} if "Wandb" in config["logger"]["_target_"] else {}
    place = {} if "Dummy" in config["logger"]["_target_"] else {"save_dir": str(folder)}
    return pl.Trainer(
        max_epochs=settings["max_epochs"],
        precision=settings["precision"],
        accumulate_grad_batches=settings["accumulate_grad_batches"],
        gradient_clip_val=settings["gradient_clip"],
        accelerator="gpu" if hardware_of(config)["kind"] == "cuda" else "cpu",
        devices=settings["devices"],
        callbacks=[*callbacks, EarlyStopping("val/score", mode="max", patience=settings["patience"]), *bar],
        logger=construct(config["logger"], **name, **place),
        enable_progress_bar=settings["progress_bar"],
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        default_root_dir=folder,
        plugins=[LightningEnvironment()],  # a run is one process, also under Slurm: no requeueing behind our back
        reload_dataloaders_every_n_epochs=1,  # an epoch's order is a function of (seed, epoch)
        use_distributed_sampler=False,
        log_every_n_steps=1,
        deterministic="warn" if settings["accelerator"] != "cpu" else False,
    )


def resident_after(initialised: Mapping[str, Any], peak: Mapping[str, float | None]) -> dict[str, float | None]:
    """No resident peak after an initialisation that grew the process before the window opened (LST's pruning)."""
    return {key: None if initialised and key.endswith("resident_gib") else value for key, value in peak.items()}


def energy_of_earlier_tries(journal: Path) -> dict[str, float | None]:
    """What tries of this run spent that were killed before their record: a journal is written as readings come."""
    if not journal.exists():
        return {}
    spent = read_journal(journal)
    return {f"{key}_earlier_tries": spent[key] for key in ("energy/eq4_kwh", "energy/cpu_estimate_kwh")}


def saved_for_backward(method: Method, data: GlueData, device: torch.device) -> dict[str, float | None]:
    """Bytes that the forward pass of the longest training examples keeps for the backward pass, in 32 bit."""
    batch = {key: value.to(device) for key, value in data.longest_batch().items()}
    method.to(device).train()
    with SavedForBackward(method.parameters()) as saved:
        method.backbone.loss(method(batch), batch)
    method.eval()
    return saved.metrics()
