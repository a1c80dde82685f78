"""A tiny random model of every architecture that the table knows, and the backbones made of them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import tiny
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from read_repro.backbones.architectures import ARCHITECTURES
from read_repro.backbones.backbone import Backbone
from read_repro.backbones.decoder import DecoderBackbone
from read_repro.backbones.encoder import EncoderBackbone
from read_repro.backbones.encoder_decoder import EncoderDecoderBackbone
from read_repro.backbones.label_decoding import Answers
from read_repro.config.files import construct_shipped
from read_repro.methods.base import Method, Optimisation

D, LAYERS, VOCABULARY = 32, 3, 64
BERT = {"hidden_size": D, "num_attention_heads": 4, "intermediate_size": 64, "num_hidden_layers": LAYERS}
T5 = {"d_model": D, "d_ff": 64, "d_kv": 8, "num_heads": 4, "num_layers": LAYERS, "decoder_start_token_id": 0}
LLAMA = {**BERT, "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1}
ROBERTA = {**BERT, "pad_token_id": 1, "max_position_embeddings": 66}
SIZES: dict[str, dict[str, Any]] = {
    "bert": BERT,
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
    "camembert": ROBERTA,
    "electra": {**BERT, "embedding_size": 16},
    "deberta-v2": {**BERT, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8},
    "distilbert": {"dim": D, "n_heads": 4, "hidden_dim": 64, "n_layers": LAYERS},
    "modernbert": {
        **BERT, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1, "cls_token_id": 1, "sep_token_id": 1,
    },
    "t5": T5,
    "mt5": T5,
    "llama": LLAMA,
    "mistral": LLAMA,
    "qwen2": LLAMA,
    "qwen3": {**LLAMA, "head_dim": 8},
    "gpt2": {
        "n_embd": D, "n_head": 4, "n_layer": LAYERS, "n_positions": 64, "bos_token_id": 1, "eos_token_id": 1,
        "pad_token_id": 0,
    },
    "gpt_neox": {**BERT, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1},
}  # fmt: skip
AUTO = {"encoder": AutoModel, "encoder-decoder": AutoModelForSeq2SeqLM, "decoder": AutoModelForCausalLM}
# The label strings: T5's end with the end of sequence; a decoder's do not, and one of them has two tokens.
T5_ANSWERS = Answers(((10, 1), (11, 12, 1), (11, 13, 1)), (0.0, 1.0, 2.0))
DECODER_ANSWERS = Answers(((10,), (11, 12), (11, 13)), (0.0, 1.0, 2.0))

# What the tests call a family: an architecture, or one way of using it.
FAMILIES = {
    **{name: name for name in ARCHITECTURES},
    "roberta-cls": "roberta",
    "t5-gated-untied": "t5",
    **{f"{name}-head": name for name, places in ARCHITECTURES.items() if places.kind == "decoder"},
}


def model(
    model_type: str,
    auto_class: Any,
    *,
    seed: int = 0,
    options: Mapping[str, Any] = MappingProxyType({}),
    **changes: Any,
) -> Any:
    """A model of an architecture with random weights, in eval mode, as an Auto class of transformers makes it."""
    torch.manual_seed(seed)
    config = AutoConfig.for_model(model_type, **{**SIZES[model_type], "vocab_size": VOCABULARY, **changes})
    made = auto_class.from_config(config, attn_implementation="eager", **options).eval()
    for name, weight in made.named_parameters():  # an initialiser made for wide models leaves a narrow one no signal
        if weight.dim() > 1 and "relative_attention_bias" not in name:
            nn.init.normal_(weight, std=0.2)
    return made


def transformer(family: str) -> Any:
    """The transformers model of a family, the same at every call."""
    name = FAMILIES[family]
    auto_class = AUTO[ARCHITECTURES[name].kind]
    if family == "t5-gated-untied":  # T5 1.1 and Flan
        made = model(name, auto_class, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
        made.lm_head.weight = nn.Parameter(0.2 * torch.randn_like(made.lm_head.weight))
        return made
    pools = ARCHITECTURES[name].kind == "encoder" and hasattr(model(name, auto_class), "pooler")
    return model(name, auto_class, options={"add_pooling_layer": False} if pools else {})


def backbone(family: str) -> Backbone:
    """A family's tiny backbone for a task of three classes."""
    made, kind = transformer(family), ARCHITECTURES[FAMILIES[family]].kind
    torch.manual_seed(5)
    if kind == "encoder":
        return EncoderBackbone(made, outputs=3, regression=False, pooling="cls" if "-cls" in family else "mean")
    if kind == "decoder":
        answers = None if family.endswith("-head") else DECODER_ANSWERS
        return DecoderBackbone(made, answers=answers, outputs=3, regression=False)
    return EncoderDecoderBackbone(made, T5_ANSWERS)


def batch(family: str, **settings: Any) -> dict[str, Tensor]:
    """Rows of unequal length with what the family's answers need."""
    made, kind = tiny.batch("bert", **settings), ARCHITECTURES[FAMILIES[family]].kind
    padding = 1 if SIZES[FAMILIES[family]].get("pad_token_id") == 1 else 0
    made["input_ids"] = made["input_ids"].masked_fill(made["attention_mask"] == 0, padding)
    if kind == "encoder-decoder":
        made["target_ids"] = torch.tensor([[10, 1, -100], [11, 12, 1], [11, 13, 1]])[made["labels"]]
    elif kind == "decoder" and not family.endswith("-head"):
        made["target_ids"] = torch.tensor([[10, -100], [11, 12], [11, 13]])[made["labels"]]
    return made


def build(name: str, family: str, **changes: Any) -> Method:
    """A method from its shipped file on a family's backbone, at sizes that fit it."""
    config = tiny.method_config(name)
    config |= {key: value for key, value in tiny.SMALLER.items() if key in config}
    optimisation = Optimisation(lr=1e-2, weight_decay=0.0, warmup=0.0, total_steps=1000)
    own = backbone(family)
    torch.manual_seed(0)
    return construct_shipped({**config, **changes}, own, optimisation, tiny.score).eval()
