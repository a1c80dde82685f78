"""The smallest true backbones: T5 and BERT of two layers a stack with random weights, and batches for them."""

from collections.abc import Callable
from typing import Any

import torch
import yaml
from places import CONF
from torch import Tensor
from transformers import BertConfig, BertModel, T5Config, T5ForConditionalGeneration

from read_repro.backbones.backbone import Backbone
from read_repro.backbones.encoder import EncoderBackbone
from read_repro.backbones.encoder_decoder import EncoderDecoderBackbone
from read_repro.backbones.label_decoding import Answers
from read_repro.config.files import construct_shipped
from read_repro.methods.base import Method, Optimisation

KINDS = ("t5", "bert")
SMALLER = {"hidden": 16, "bottleneck": 4, "rank": 2, "tokens": 3, "reduction": 4}  # sizes that fit D = 32


def backbone(kind: str, *, layers: int = 2, seed: int = 0) -> Backbone:
    """D = 32, 4 heads, ``layers`` a stack; in eval mode, as from_pretrained leaves it."""
    torch.manual_seed(seed)
    if kind == "t5":
        sizes = {"d_model": 32, "d_ff": 64, "d_kv": 8, "num_heads": 4, "num_layers": layers, "vocab_size": 64}
        model = T5ForConditionalGeneration(T5Config(**sizes, decoder_start_token_id=0)).eval()
        return EncoderDecoderBackbone(model, Answers(((10, 1), (11, 12, 1), (11, 13, 1)), (0.0, 1.0, 2.0)))
    sizes = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "num_hidden_layers": layers}
    # BERT's own 0.02 is for a width of 768: here all scores would be nearly alike and queries get next to no gradient
    config = BertConfig(**sizes, vocab_size=64, initializer_range=0.2)
    return EncoderBackbone(BertModel(config, add_pooling_layer=False).eval(), outputs=3, regression=False)


def batch(kind: str, *, rows: int = 6, length: int = 9, seed: int = 1) -> dict[str, Tensor]:
    """Rows of unequal length, padded on the right; a label is the first token's remainder, so it can be learned."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, length + 1, (rows,), generator=generator)
    lengths[0] = length
    ids = torch.randint(14, 64, (rows, length), generator=generator)
    mask = (torch.arange(length) < lengths[:, None]).long()
    labels = ids[:, 0] % 3
    made = {"input_ids": ids * mask, "attention_mask": mask, "labels": labels}
    if kind == "t5":
        targets = torch.tensor([[10, 1, -100], [11, 12, 1], [11, 13, 1]])
        made["target_ids"] = targets[labels]
    return made


def score(predictions: Any, labels: Any) -> dict[str, float]:
    """Accuracy x100."""
    right = sum(p == t for p, t in zip(predictions, labels, strict=True))
    return {"accuracy": 100 * right / len(labels), "score": 100 * right / len(labels)}


def method_config(name: str) -> dict[str, Any]:
    """The shipped keywords of a method."""
    return yaml.safe_load((CONF / "method" / f"{name}.yaml").read_text())["method"]


def build(name: str, kind: str, *, layers: int = 2, lr: float = 1e-2, small: bool = True, **changes: Any) -> Method:
    """A method from its shipped file, at sizes that fit the tiny backbones."""
    config = method_config(name)
    if small:
        config |= {key: value for key, value in SMALLER.items() if key in config}
    optimisation = Optimisation(lr=lr, weight_decay=0.0, warmup=0.0, total_steps=1000)
    torch.manual_seed(0)
    return construct_shipped({**config, **changes}, backbone(kind, layers=layers), optimisation, score)


def largest_gradients(method: Method, examples: Callable[[int], Any]) -> dict[str, float]:
    """The largest gradient that each trained weight gets within three steps; ``examples`` is asked for each's batch."""
    largest = dict.fromkeys(method.trainable(), 0.0)
    optimizer = method.configure_optimizers()["optimizer"]
    method.train()
    for step in range(3):
        of_step = examples(step)
        optimizer.zero_grad()
        method.backbone.loss(method(of_step), of_step).backward()
        for name, weight in method.trainable().items():
            if weight.grad is not None:
                largest[name] = max(largest[name], weight.grad.abs().max().item())
        optimizer.step()
    return largest


def train_steps(method: Method, kind: str, *, steps: int = 3) -> None:
    """Optimiser steps as the training loop makes them."""
    optimizer = method.configure_optimizers()["optimizer"]
    method.train()
    for step in range(steps):
        made = batch(kind, seed=step)
        optimizer.zero_grad()
        method.backbone.loss(method(made), made).backward()
        optimizer.step()
    method.eval()
