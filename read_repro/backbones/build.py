"""From a checkpoint to a frozen backbone, of whichever of the three kinds it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from read_repro.backbones.backbone import Backbone
from read_repro.backbones.checkpoint import Checkpoint
from read_repro.backbones.checkpoint_files import gguf_alone
from read_repro.backbones.decoder import DecoderBackbone
from read_repro.backbones.encoder import EncoderBackbone
from read_repro.backbones.encoder_decoder import EncoderDecoderBackbone
from read_repro.backbones.label_decoding import Answers
from read_repro.backbones.pretrained import TORCH_DTYPES, check_report, pretrained_model, untrained_model
from read_repro.errors import InputError
from read_repro.foreign import reason, shown


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
    """The transformer itself: pre-trained, or of the checkpoint's shape with random weights.

    On the meta device it is a shape alone, and no weights are read.

    Raises:
        InputError: weights that are not all there, not finite, or of another model.
    """
    folder = checkpoint.locate()
    with quiet():
        if folder is None or torch.get_default_device().type == "meta":
            return untrained_model(checkpoint, folder)
        return (pretrained_model if checkpoint.gguf is None else gguf_model)(checkpoint, folder)


def gguf_model(checkpoint: Checkpoint, folder: Path) -> Any:
    """The transformer of a GGUF file, its weights widened from the few bits that the file holds them in."""
    name = str(checkpoint.gguf)
    try:
        with gguf_alone(folder, name) as options:
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                **options, dtype=TORCH_DTYPES[checkpoint.dtype], output_loading_info=True
            )
        model, report = loaded
    except InputError:
        raise
    except Exception as error:  # the reader of such files raises whatever it stumbles on
        raise InputError(f"{folder / name} cannot be read as {checkpoint.model_type} ({reason(error)})") from error
    if model.config.model_type != checkpoint.model_type or checkpoint.places.kind != "decoder":
        raise InputError(f"{folder / name} holds a {model.config.model_type}, not the decoder {checkpoint.model_type}")
    for key, wanted in checkpoint.shape.items():
        if (found := getattr(model.config, key, None)) != wanted:
            raise InputError(f"{folder / name} has {key}={shown(found)}, but {checkpoint.name} has {wanted}")
    for tensor_name, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise InputError(f"{folder / name} holds numbers that are not finite, in {tensor_name}")
    check_report(report, folder, left_out=())
    return model.eval()


def build_backbone(checkpoint: Checkpoint, *, answers: Answers | None, outputs: int, regression: bool) -> Backbone:
    """A frozen backbone for a task: what answers in words takes ``answers``, what does not a head of ``outputs``."""
    model, kind = load_model(checkpoint), checkpoint.places.kind
    if kind == "encoder":
        return EncoderBackbone(model, outputs=outputs, regression=regression, pooling=checkpoint.pooling)
    if kind == "decoder":
        own = answers if checkpoint.text_to_text else None
        return DecoderBackbone(model, answers=own, outputs=outputs, regression=regression)
    assert answers is not None
    return EncoderDecoderBackbone(model, answers)
