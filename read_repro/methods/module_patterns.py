"""Where a method enters a backbone: its modules by name, and its biases.

Patterns name modules as transformers does in T5 and in BERT; what other architectures call differently is found by the
name that BERT has for the same part (``read_repro.backbones.architectures``).
"""

import re
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn
from transformers import Conv1D

from read_repro.backbones.architectures import architecture_of
from read_repro.errors import InputError

MAPS = (nn.Linear, Conv1D)  # GPT-2 writes its linear maps as the second


def matching(model: Any, patterns: Iterable[str]) -> dict[str, nn.Module]:
    """The modules whose whole name, or BERT's word for them, one of the regular expressions matches, in order.

    A list may name the places of several architectures: those of another one match nothing.

    Raises:
        InputError: no module at all, or a pattern that is no regular expression.
    """
    try:
        expression = re.compile(one_pattern(patterns))
    except re.error as error:
        raise InputError(
            f"{list(patterns)} holds no regular expression ({error}): see conf/method/lora.yaml"
        ) from error
    places, prefix = architecture_of(model.config.model_type), f"{model.base_model_prefix}."
    found = {
        name: module
        for name, module in model.named_modules()
        if expression.fullmatch(name) or expression.fullmatch(places.alias(name.removeprefix(prefix)))
    }
    if not found:
        raise InputError(
            f"{list(patterns)} matches no module of {type(model).__name__}: give regular expressions of its modules' "
            "names, as conf/method/lora.yaml does"
        )
    return found


def one_pattern(patterns: Iterable[str]) -> str:
    """One regular expression that matches what any of ``patterns`` does."""
    return "|".join(f"(?:{pattern})" for pattern in patterns)


def train_biases(model: Any, patterns: Iterable[str]) -> list[nn.Parameter]:
    """Thaw the biases of the linear maps and layer norms that match.

    T5 has none, so they are added there, as papers do, and start at zero: its norms only scale, and get one behind.

    Raises:
        InputError: an architecture that has no biases at these places, and of which no paper adds any.
    """
    added = architecture_of(model.config.model_type).biases_added
    biases = []
    for module in matching(model, patterns).values():
        if isinstance(module, MAPS) or _is_norm(module):
            if added and getattr(module, "bias", None) is None:
                _add_bias(module)
            if isinstance(bias := getattr(module, "bias", None), nn.Parameter):
                bias.requires_grad_(True)
                biases.append(bias)
    if not biases:
        raise InputError(
            f"method=bitfit and the like train biases, and {model.config.model_type} has none at {list(patterns)}: "
            "choose another method"
        )
    return biases


def _is_norm(module: nn.Module) -> bool:
    return isinstance(weight := getattr(module, "weight", None), nn.Parameter) and weight.dim() == 1


def _add_bias(module: nn.Module) -> None:
    assert isinstance(module.weight, nn.Parameter)
    module.register_parameter("bias", nn.Parameter(module.weight.new_zeros(len(module.weight))))
    if _is_norm(module):
        module.register_forward_hook(_shift)


def _shift(module: nn.Module, args: Any, output: Tensor) -> Tensor:
    assert isinstance(module.bias, nn.Parameter)
    return output + module.bias
