"""What a run is made of: task, data, backbone and method, built from its checked configuration."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pytorch_lightning as pl
from transformers import PreTrainedTokenizerBase

from read_repro.backbones.backbone import Backbone
from read_repro.backbones.build import build_backbone
from read_repro.backbones.checkpoint import Checkpoint
from read_repro.backbones.label_decoding import Answers
from read_repro.config.schema import RunConfig
from read_repro.data import metrics
from read_repro.data.batches import answer_ids
from read_repro.data.datamodule import GlueData
from read_repro.data.splits import split
from read_repro.data.tasks import Row, Task
from read_repro.errors import InputError
from read_repro.methods.base import Method, Optimisation, Score
from read_repro.records.record import DataInfo
from read_repro.training.checks import Inputs


@dataclass(frozen=True)
class Parts:
    """What a run is made of."""

    task: Task
    checkpoint: Checkpoint
    tokenizer: PreTrainedTokenizerBase
    data: GlueData
    method: Method


def build(config: RunConfig, inputs: Inputs) -> Parts:
    """Task, data, backbone and method; the seed fixes every weight that is drawn."""
    task, checkpoint, data = inputs.task, inputs.checkpoint, config.data
    splits = split(task, inputs.rows, train_limit=data.train_limit, synthetic=data.source == "synthetic")
    tokenizer = checkpoint.tokenizer(lambda: training_text(task, splits.train, data.targets))
    batches = GlueData(
        task,
        tokenizer,
        splits,
        targets=data.targets,
        batch_size=data.batch_size,
        eval_batch_size=data.eval_batch_size,
        max_source_tokens=data.max_source_tokens,
        text_to_text=checkpoint.text_to_text,
        prompted=checkpoint.prompted,
        seed=config.seed,
    )
    batches.setup()
    method = build_method(
        config.method.build,
        task=task,
        checkpoint=checkpoint,
        tokenizer=tokenizer,
        targets=data.targets,
        optimisation=optimisation_of(config, batches.steps_per_epoch),
        seed=config.seed,
    )
    if config.cache.place != "none" and not method.keep:
        raise InputError(
            f"cache={config.cache.place}: this method trains through the backbone and reads no frozen states; choose "
            "method=read, head or lst, or cache=none"
        )
    if checkpoint.dtype != "fp32" and not method.side_network:
        raise InputError(
            f"backbone.dtype={checkpoint.dtype}: this method trains weights inside the backbone or through it, which "
            "so few bits would spoil; choose method=read, head or lst, or backbone.dtype=fp32"
        )
    return Parts(task, checkpoint, tokenizer, batches, method)


def optimisation_of(config: RunConfig, batches_per_epoch: int) -> Optimisation:
    """AdamW's settings with the number of optimiser steps that they are for."""
    trainer, optim = config.trainer, config.optim
    steps_per_epoch = -(-batches_per_epoch // trainer.accumulate_grad_batches)
    return Optimisation(
        lr=optim.lr,
        weight_decay=optim.weight_decay,
        warmup=optim.warmup,
        total_steps=steps_per_epoch * trainer.max_epochs,
    )


def build_method(
    make: Callable[[Backbone, Optimisation, Score], Method],
    *,
    task: Task,
    checkpoint: Checkpoint,
    tokenizer: PreTrainedTokenizerBase,
    targets: str,
    optimisation: Optimisation,
    seed: int,
) -> Method:
    """The method that ``make`` builds on a backbone for the task, every weight that is drawn fixed by ``seed``."""
    pl.seed_everything(seed, verbose=False)
    ids = answer_ids(task, tokenizer, targets, prompted=checkpoint.prompted) if checkpoint.text_to_text else {}
    values = tuple(task.value(answer, targets) for answer in ids)
    backbone = build_backbone(
        checkpoint,
        answers=Answers(tuple(ids.values()), values) if checkpoint.text_to_text else None,
        outputs=task.outputs,
        regression=task.regression,
    )
    return make(backbone, optimisation, partial(metrics.score, task.metric))


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


def training_text(task: Task, rows: Sequence[Row], targets: str) -> list[str]:
    """The source texts of training rows and all answers, for a tokenizer of our own."""
    return [*(task.source(row, targets) for row in rows), *task.answers(targets)]
