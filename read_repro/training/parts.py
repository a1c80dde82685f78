"""What a run is made of: task, data, backbone and method, built from plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytorch_lightning as pl
from transformers import PreTrainedTokenizerBase

from read_repro.backbones.build import build_backbone
from read_repro.backbones.checkpoint import Checkpoint
from read_repro.backbones.label_decoding import Answers
from read_repro.config.files import construct_shipped
from read_repro.data import metrics
from read_repro.data.batches import answer_ids
from read_repro.data.datamodule import GlueData, load_splits
from read_repro.data.sources import Tables
from read_repro.data.tasks import Task
from read_repro.methods.base import Method, Optimisation
from read_repro.training.plain_values import checkpoint_of, task_of


@dataclass(frozen=True)
class Parts:
    """What a run is made of."""

    task: Task
    checkpoint: Checkpoint
    tokenizer: PreTrainedTokenizerBase
    data: GlueData
    method: Method


def build(config: Mapping[str, Any], tables: Tables) -> Parts:
    """Task, data, backbone and method, all from plain values; the seed fixes every weight that is drawn."""
    task, checkpoint = task_of(config["task"]), checkpoint_of(config["backbone"])
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
    ids = answer_ids(task, tokenizer, config["data"]["targets"]) if checkpoint.text_to_text else {}
    backbone = build_backbone(
        checkpoint,
        answers=Answers(tuple(ids.values()), tuple(map(task.value, ids))) if checkpoint.text_to_text else None,
        outputs=task.outputs,
        regression=task.regression,
    )
    optim = config["optim"]
    optimisation = Optimisation(
        lr=optim["lr"], weight_decay=optim["weight_decay"], warmup=optim["warmup"], total_steps=total_steps
    )
    return construct_shipped(config["method"], backbone, optimisation, partial(metrics.score, task.metric))


def training_text(task: Task, settings: Mapping[str, Any], tables: Tables | None) -> list[str]:
    """The source texts of the training split and all answers, for a tokenizer of our own."""
    wanted = {key: settings[key] for key in ("source", "path", "train_limit")}
    rows, targets = load_splits(task, **wanted, tables=tables).train, settings["targets"]
    return [*(task.source(row, targets) for row in rows), *task.answers(targets)]
