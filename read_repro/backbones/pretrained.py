"""A pre-trained transformer from a checkpoint's folder, which is data that anyone may have made.

Only ``config.json``'s sizes and the tensors of the hashed files reach transformers, never the folder itself: there it
would also follow ``adapter_config.json`` to other weights, take pickles, or fill absent layers at random.
"""

from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import BertConfig, BertModel, PreTrainedConfig, T5Config, T5ForConditionalGeneration

from read_repro.backbones.checkpoint import Checkpoint, checkpoint_config, weight_files
from read_repro.errors import InputError
from read_repro.foreign import reason, shown

CLASSES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "t5": (T5ForConditionalGeneration, T5Config, {}),
    "bert": (BertModel, BertConfig, {"add_pooling_layer": False}),
}
MAX_LAYERS = 1000  # more could not even be described in a sensible time
LEFT_OUT = ("pooler.", "cls.")  # BERT's pooler and heads of pre-training: ours is another head
BUFFERS = ("position_ids",)  # the whole numbers that old checkpoints hold; transformers makes them itself
TIED = ("lm_head.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight")  # in T5, to shared.weight


def pretrained_model(checkpoint: Checkpoint, folder: Path) -> Any:
    """The transformer of a verified folder, in 32 bit and eval mode.

    Raises:
        InputError: tensors that are missing, unexpected, of another size or not finite.
    """
    tensors = read_tensors(folder)
    with torch.device("meta"):
        described = sum(parameter.numel() for parameter in untrained_model(checkpoint, folder).parameters())
    if described > (held := sum(tensor.numel() for tensor in tensors.values())):
        raise InputError(
            f"{folder / 'config.json'} describes {described:,} parameters, its weights are {held:,}: "
            "the others would be random"
        )
    # Without a folder transformers takes the tensors given, with its own renaming of old names and its own tying.
    model_class, _, options = CLASSES[checkpoint.architecture]
    model, report = model_class.from_pretrained(
        None,
        config=config_of(checkpoint, folder),
        state_dict=tensors,
        dtype=torch.float32,
        ignore_mismatched_sizes=True,  # refused below, by name
        output_loading_info=True,
        use_safetensors=True,
        trust_remote_code=False,
        **options,
    )
    _check_report(report, folder)
    return model


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint's files, each of them finite."""
    tensors: dict[str, Tensor] = {}
    for path in weight_files(folder):
        try:
            own = load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise InputError(f"{path} is not a whole safetensors file ({reason(error)})") from error
        for name, tensor in own.items():
            if not tensor.is_floating_point() and not name.endswith(BUFFERS):
                raise InputError(f"{path} holds {name} as {tensor.dtype}: weights in another form are refused")
            if not torch.isfinite(tensor).all():
                raise InputError(f"{path} holds numbers that are not finite, in {name}")
        tensors |= own
    _check_tied(tensors, folder)
    return tensors


def untrained_model(checkpoint: Checkpoint, folder: Path | None) -> Any:
    """A transformer of the checkpoint's sizes, as transformers initialises it.

    Raises:
        InputError: sizes of which no model can be built.
    """
    model_class, _, options = CLASSES[checkpoint.architecture]
    config = config_of(checkpoint, folder)
    try:
        return model_class(config, **options)
    except (ArithmeticError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"backbone={checkpoint.name}: no model has such sizes ({reason(error)})") from error


def config_of(checkpoint: Checkpoint, folder: Path | None) -> Any:
    """The checkpoint's sizes as transformers' own configuration; of ``config.json`` nothing but sizes is taken."""
    kind = CLASSES[checkpoint.architecture][1]
    known = signature(kind.__init__).parameters.keys() - signature(PreTrainedConfig.__init__).parameters.keys()
    known |= {"decoder_start_token_id"}
    if folder is None:
        values = {**checkpoint.shape, **({"decoder_start_token_id": 0} if checkpoint.text_to_text else {})}
    else:
        values = {key: value for key, value in checkpoint_config(folder).items() if key in known and value is not None}
    for key, value in values.items():
        if key not in known or not isinstance(value, int | float | str):
            raise InputError(f"backbone={checkpoint.name}: {shown(key)}={shown(value)} is no size of a {kind.__name__}")
        if key.endswith("layers") and not (isinstance(value, int) and value <= MAX_LAYERS):
            raise InputError(f"backbone={checkpoint.name}: {key}={shown(value)}, but {MAX_LAYERS} are the most")
    try:
        return kind(**values)
    except Exception as error:  # transformers raises classes of its own
        raise InputError(f"backbone={checkpoint.name}: no {kind.__name__} has these sizes ({reason(error)})") from error


def _check_tied(tensors: Mapping[str, Tensor], folder: Path) -> None:
    shared = tensors.get("shared.weight")
    for name in TIED:
        if shared is not None and name in tensors and not torch.equal(tensors[name], shared):
            raise InputError(
                f"{folder} holds a {name} of its own, which transformers would replace by the embeddings: "
                "such checkpoints are refused; use an original T5"
            )


def _check_report(report: Mapping[str, Any], folder: Path) -> None:
    """Refuse a model that is not exactly the files' content."""
    sizes = sorted(name for name, *_ in report["mismatched_keys"])
    left = sorted(name for name in report["unexpected_keys"] if not name.removeprefix("bert.").startswith(LEFT_OUT))
    for words, found in (
        ("lacks tensors, which would be random", sorted(report["missing_keys"])),
        ("holds tensors of another size than config.json says", sizes),
        ("holds tensors that no layer takes", left),
    ):
        if found:
            raise InputError(f"the checkpoint in {folder} {words}: {', '.join(found[:4])} ({len(found)} in all)")
