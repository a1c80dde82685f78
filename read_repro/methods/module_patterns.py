"""Where a method enters a backbone: its modules by name, and the biases that T5 does not have."""

import re
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn
from transformers.models.t5.modeling_t5 import T5LayerNorm

from read_repro.errors import InputError

BIASED = (nn.Linear, nn.LayerNorm, T5LayerNorm)


def matching(model: nn.Module, patterns: Iterable[str]) -> dict[str, nn.Module]:
    """The modules whose whole name one of the regular expressions matches, in order.

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
    found = {name: module for name, module in model.named_modules() if expression.fullmatch(name)}
    if not found:
        raise InputError(
            f"{list(patterns)} matches no module of {type(model).__name__}: give regular expressions of its modules' "
            "names, as conf/method/lora.yaml does"
        )
    return found


def one_pattern(patterns: Iterable[str]) -> str:
    """One regular expression that matches what any of ``patterns`` does."""
    return "|".join(f"(?:{pattern})" for pattern in patterns)


def train_biases(model: nn.Module, patterns: Iterable[str]) -> list[nn.Parameter]:
    """Thaw the biases of the linear maps and layer norms that match; where there is none, add one that starts at zero.

    T5's layer norms only scale; a bias is added to their output.
    """
    biases = []
    for module in matching(model, patterns).values():
        if isinstance(module, BIASED):
            if getattr(module, "bias", None) is None:
                _add_bias(module)
            assert isinstance(module.bias, nn.Parameter)
            module.bias.requires_grad_(True)
            biases.append(module.bias)
    return biases


def _add_bias(module: nn.Module) -> None:
    assert isinstance(module.weight, nn.Parameter)
    module.register_parameter("bias", nn.Parameter(module.weight.new_zeros(len(module.weight))))
    if isinstance(module, T5LayerNorm):
        module.register_forward_hook(_shift)


def _shift(module: nn.Module, args: Any, output: Tensor) -> Tensor:
    assert isinstance(module.bias, nn.Parameter)
    return output + module.bias
