"""From a checkpoint to a frozen backbone: the one place that knows every architecture."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import T5ForConditionalGeneration
from transformers.utils import logging

from read_repro.backbones.backbone import Backbone
from read_repro.backbones.bert import BertBackbone
from read_repro.backbones.checkpoint import Checkpoint
from read_repro.backbones.label_decoding import Answers
from read_repro.backbones.pretrained import pretrained_model, untrained_model
from read_repro.backbones.t5 import T5Backbone


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from showing a progress bar, and from reporting the pooler, which we leave out on purpose."""
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
    """The transformer itself: pre-trained in 32 bit, or of the checkpoint's shape with random weights.

    On the meta device it is a shape alone, and no weights are read.

    Raises:
        InputError: weights that are not all there, not finite, or of another model.
    """
    folder = checkpoint.locate()
    with quiet():
        if folder is None or torch.get_default_device().type == "meta":
            return untrained_model(checkpoint, folder)
        return pretrained_model(checkpoint, folder)


def build_backbone(checkpoint: Checkpoint, *, answers: Answers | None, outputs: int, regression: bool) -> Backbone:
    """A frozen backbone for a task: T5 takes its ``answers``, BERT a fresh head of ``outputs`` numbers."""
    model = load_model(checkpoint)
    if isinstance(model, T5ForConditionalGeneration):
        assert answers is not None
        return T5Backbone(model, answers)
    return BertBackbone(model, outputs=outputs, regression=regression)
