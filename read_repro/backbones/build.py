"""From a checkpoint to a frozen backbone: the one place that knows every architecture."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertModel, T5Config, T5ForConditionalGeneration
from transformers.utils import logging

from read_repro.backbones.backbone import Backbone
from read_repro.backbones.bert import BertBackbone
from read_repro.backbones.checkpoint import Checkpoint
from read_repro.backbones.label_decoding import Answers
from read_repro.backbones.t5 import T5Backbone


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' progress bar and its report on the pooler, which we leave out on purpose."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def load_model(checkpoint: Checkpoint) -> Any:
    """The transformer itself: pre-trained in 32 bit, or of the checkpoint's shape with random weights."""
    with quiet():
        return _load(checkpoint, checkpoint.locate())


def _load(checkpoint: Checkpoint, folder: Path | None) -> Any:
    if checkpoint.architecture == "t5":
        if folder is None:
            return T5ForConditionalGeneration(T5Config(**{**checkpoint.shape, "decoder_start_token_id": 0}))
        return T5ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    if folder is None:
        return BertModel(BertConfig(**checkpoint.shape), add_pooling_layer=False)
    return BertModel.from_pretrained(folder, add_pooling_layer=False, dtype=torch.float32, local_files_only=True)


def build_backbone(checkpoint: Checkpoint, *, answers: Answers | None, outputs: int, regression: bool) -> Backbone:
    """A frozen backbone for a task: T5 takes its ``answers``, BERT a fresh head of ``outputs`` numbers."""
    model = load_model(checkpoint)
    if isinstance(model, T5ForConditionalGeneration):
        assert answers is not None
        return T5Backbone(model, answers)
    return BertBackbone(model, outputs=outputs, regression=regression)
