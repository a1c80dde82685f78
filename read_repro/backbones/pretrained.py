"""A pre-trained transformer from a checkpoint's folder, which is data that anyone may have made.

Only ``config.json``'s sizes and the tensors of the hashed files reach transformers, never the folder itself: there it
would also follow ``adapter_config.json`` to other weights, take pickles, or fill absent layers at random.
"""

import re
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import (
    CONFIG_MAPPING,
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    MODEL_MAPPING,
    PreTrainedConfig,
)

from read_repro.backbones.checkpoint import Checkpoint
from read_repro.backbones.checkpoint_files import checkpoint_config, weight_files
from read_repro.errors import InputError
from read_repro.foreign import reason, shown

CLASSES: Mapping[str, Any] = {
    "encoder": MODEL_MAPPING,
    "encoder-decoder": MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    "decoder": MODEL_FOR_CAUSAL_LM_MAPPING,
}
TORCH_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
MAX_LAYERS = 1000  # more could not even be described in a sensible time
LEFT_OUT = (  # an encoder's pooler and heads of pre-training: ours is another head
    "pooler.", "cls.", "lm_head.", "vocab_transform.", "vocab_layer_norm.", "vocab_projector.", "head.", "decoder.",
    "discriminator_predictions.", "generator_predictions.", "generator_lm_head.", "lm_predictions.",
    "mask_predictions.",
)  # fmt: skip
BUFFERS = ("position_ids", "attn.bias")  # the constants that old checkpoints hold; transformers makes them itself
EMBEDDINGS = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")  # in T5 always tied to shared.weight
UNTIED = ("tie_word_embeddings", "scale_decoder_outputs")  # releases before 5 wrote the first; 5 writes the second
# Sizes that releases before 5 wrote at the top, and that transformers itself still finds a place for; and those of
# DeBERTa-v2, which it reads without declaring them.
UNDECLARED = {
    "rope_theta", "rope_scaling", "partial_rotary_factor", "rotary_pct", "rotary_emb_base", "global_rope_theta",
    "local_rope_theta", "decoder_start_token_id", "pad_token_id", *UNTIED,
    "position_buckets", "norm_rel_ebd", "share_att_key", "attention_head_size", "conv_kernel_size", "conv_groups",
    "conv_act",
}  # fmt: skip


def pretrained_model(checkpoint: Checkpoint, folder: Path) -> Any:
    """The transformer of a verified folder, in the checkpoint's dtype and eval mode.

    Raises:
        InputError: tensors that are missing, unexpected, of another size or not finite.
    """
    config, tensors = config_of(checkpoint, folder), read_tensors(folder)
    _check_tied(checkpoint, tensors, folder)
    with torch.device("meta"):
        described = sum(parameter.numel() for parameter in untrained_model(checkpoint, folder).parameters())
    if described > (held := sum(tensor.numel() for tensor in tensors.values())):
        raise InputError(
            f"{folder / 'config.json'} describes {described:,} parameters, its weights are {held:,}: "
            "the others would be random"
        )
    # Without a folder transformers takes the tensors given, with its own renaming of old names and its own tying.
    model_class, options = _class_of(checkpoint, config)
    model, report = model_class.from_pretrained(
        None,
        config=config,
        state_dict=tensors,
        dtype=TORCH_DTYPES[checkpoint.dtype],
        ignore_mismatched_sizes=True,  # refused below, by name
        output_loading_info=True,
        use_safetensors=True,
        trust_remote_code=False,
        **options,
    )
    check_report(report, folder, left_out=LEFT_OUT if checkpoint.places.kind == "encoder" else ())
    return model


def _class_of(checkpoint: Checkpoint, config: Any) -> tuple[Any, dict[str, Any]]:
    """The class of transformers that is built, and how; an encoder's pooler is left out where it can be."""
    model_class = CLASSES[checkpoint.places.kind][type(config)]
    pools = "add_pooling_layer" in signature(model_class.__init__).parameters
    return model_class, {"add_pooling_layer": False} if pools else {}


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
    return tensors


def untrained_model(checkpoint: Checkpoint, folder: Path | None) -> Any:
    """A transformer of the checkpoint's sizes, as transformers initialises it.

    Raises:
        InputError: sizes of which no model can be built.
    """
    config = config_of(checkpoint, folder)
    model_class, options = _class_of(checkpoint, config)
    try:
        return model_class(config, **options).to(TORCH_DTYPES[checkpoint.dtype])
    except (ArithmeticError, AssertionError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"backbone={checkpoint.name}: no model has such sizes ({reason(error)})") from error


def config_of(checkpoint: Checkpoint, folder: Path | None) -> Any:
    """The checkpoint's sizes as transformers' own configuration; of ``config.json`` nothing but sizes is taken."""
    kind = CONFIG_MAPPING[checkpoint.model_type]
    known = signature(kind.__init__).parameters.keys() - signature(PreTrainedConfig.__init__).parameters.keys()
    known |= UNDECLARED
    if folder is None:
        started = checkpoint.places.kind == "encoder-decoder"
        values = {**checkpoint.shape, **({"decoder_start_token_id": 0} if started else {})}
    else:
        values = {key: value for key, value in checkpoint_config(folder).items() if key in known and value is not None}
    for key, value in values.items():
        if key not in known or not _plain(value):
            raise InputError(f"backbone={checkpoint.name}: {shown(key)}={shown(value)} is no size of a {kind.__name__}")
        if key.endswith(("layers", "n_layer")) and not (isinstance(value, int) and value <= MAX_LAYERS):
            raise InputError(f"backbone={checkpoint.name}: {key}={shown(value)}, but {MAX_LAYERS} are the most")
    try:
        return kind(**values)
    except Exception as error:  # transformers raises classes of its own
        raise InputError(f"backbone={checkpoint.name}: no {kind.__name__} has these sizes ({reason(error)})") from error


def _plain(value: Any) -> bool:
    """Whether a value is a size: a number or a word, or a list or table of those (kinds of layers, rotary settings)."""
    if isinstance(value, dict):
        return all(map(_plain, value.values()))
    if isinstance(value, list):
        return all(isinstance(item, int | float | str) for item in value)
    return value is None or isinstance(value, int | float | str)


def _check_tied(checkpoint: Checkpoint, tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Refuse a T5 whose output layer is not what its configuration says: its last state would be scaled wrongly."""
    shared, output = tensors.get("shared.weight"), tensors.get("lm_head.weight")
    if checkpoint.places.kind != "encoder-decoder" or shared is None:
        return
    for name in EMBEDDINGS:
        if name in tensors and not torch.equal(tensors[name], shared):
            raise InputError(
                f"{folder} holds a {name} of its own, which transformers would replace by the shared embeddings: "
                "such checkpoints are refused"
            )
    own = output is not None and not torch.equal(output, shared)
    untied = any(checkpoint_config(folder).get(key) is False for key in UNTIED)
    if checkpoint.model_type == "t5" and own != untied:
        says = "is apart from the embeddings" if untied else "is the embeddings"
        holds = "holds a lm_head.weight of its own" if own else "holds no other lm_head.weight than those"
        raise InputError(f"{folder}: its config.json says that the output layer {says}, but it {holds}")


def check_report(report: Mapping[str, Any], folder: Path, left_out: tuple[str, ...]) -> None:
    """Refuse a model that is not exactly the files' content."""
    sizes = sorted(name for name, *_ in report["mismatched_keys"])
    prefixed = rf"(?:\w+\.)?(?:{'|'.join(map(re.escape, left_out)) or '(?!)'})"  # below the base model's own name, too
    left = sorted(name for name in report["unexpected_keys"] if not re.match(prefixed, name))
    for words, found in (
        ("lacks tensors, which would be random", sorted(report["missing_keys"])),
        ("holds tensors of another size than config.json says", sizes),
        ("holds tensors that no layer takes", left),
    ):
        if found:
            raise InputError(f"the checkpoint in {folder} {words}: {', '.join(found[:4])} ({len(found)} in all)")
