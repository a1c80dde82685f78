"""What of a model trains beside READ: all that stands outside its base model, but no language model's output layer.

Each READ has copies of its own of these modules, so that several can live on one model; the model's own come back
when READ is switched off.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn


def head_names(base: Any) -> list[str]:
    """The modules right below a model that hold weights, outside its base model and without a share in it.

    An output layer over the vocabulary stays frozen, tied to the embeddings or not: it is as large as they are, and it
    is what a language model answers with.
    """
    inside = base.base_model
    if inside is base:  # transformers' T5 for text has no base model below it: all of it is pre-trained
        return []
    words = base.get_output_embeddings() if hasattr(base, "get_output_embeddings") else None
    frozen = {id(weight) for part in (inside, words) if part is not None for weight in part.parameters()}
    return [
        name
        for name, module in base.named_children()
        if module is not inside
        and any(True for _ in module.parameters())
        and not any(id(weight) in frozen for weight in module.parameters())
    ]


def copied_heads(originals: nn.ModuleDict) -> nn.ModuleDict:
    """Copies of the heads in at least 32 bit, in which alone an optimiser's small steps are not lost."""
    heads = deepcopy(originals)
    for head in heads.values():
        if any(weight.dtype in (torch.bfloat16, torch.float16) for weight in head.parameters()):
            head.float().register_forward_pre_hook(_upcast, with_kwargs=True)
    return heads


def put_heads(base: Any, heads: nn.ModuleDict) -> None:
    """Let a model answer with these heads."""
    for name, head in heads.items():
        setattr(base, name, head)


def _upcast(_module: nn.Module, arguments: Any, keywords: Any) -> tuple[Any, Any]:
    """What a half-precision model hands to a head in 32 bit."""

    def cast(value: Any) -> Any:
        return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value

    return tuple(map(cast, arguments)), {name: cast(value) for name, value in keywords.items()}
