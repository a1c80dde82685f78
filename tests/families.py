"""A tiny random model of every architecture that the table knows, as transformers itself makes it."""

from typing import Any

import torch
from transformers import AutoConfig

D, LAYERS, VOCABULARY = 32, 3, 64
BERT = {"hidden_size": D, "num_attention_heads": 4, "intermediate_size": 64, "num_hidden_layers": LAYERS}
T5 = {"d_model": D, "d_ff": 64, "d_kv": 8, "num_heads": 4, "num_layers": LAYERS, "decoder_start_token_id": 0}
LLAMA = {**BERT, "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1}
SIZES: dict[str, dict[str, Any]] = {
    "bert": BERT,
    "roberta": {**BERT, "pad_token_id": 1, "max_position_embeddings": 66},
    "xlm-roberta": {**BERT, "pad_token_id": 1, "max_position_embeddings": 66},
    "camembert": {**BERT, "pad_token_id": 1, "max_position_embeddings": 66},
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


def model(model_type: str, auto_class: Any, *, seed: int = 0, **changes: Any) -> Any:
    """A model of an architecture with random weights, in eval mode, as an Auto class of transformers makes it."""
    torch.manual_seed(seed)
    config = AutoConfig.for_model(model_type, **{**SIZES[model_type], "vocab_size": VOCABULARY, **changes})
    return auto_class.from_config(config, attn_implementation="eager").eval()
