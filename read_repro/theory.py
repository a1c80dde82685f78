"""READ's theory, checked: are the corrections of Definition 2.1 what the linear recursion behind equation (1) says?

READ: Recurrent Adaptation of Large Transformers (Wang et al., 2023, arXiv 2305.15348), section 2.2. With phi_i the
states of the frozen layers L_i, and L'_i the layers of a fine-tuned copy, equation (2) reads

    dphi_i = L'_i(phi_{i-1} + dphi_{i-1}, E + dE) - L_i(phi_{i-1}, E)                     the true correction

where E is the encoder's output that a decoder layer's cross-attention reads (absent in an encoder). Here L' has the
weights W + eps B A, as a merged LoRA. To first order in eps,

    h_i = [L'_i(phi_{i-1}, E) - L_i(phi_{i-1}, E)] + J_i h_{i-1} + K_i h_E,   h_0 = 0

with J_i and K_i the Jacobians of the FROZEN layer L_i in its state and in E, and h_E the encoder's own first-order
correction. The Jacobians of L'_i would do as well: they differ by O(eps), and what they act on is O(eps) already. The
left-out terms are of order eps^2, so |h_i - dphi_i| / |dphi_i| must fall in proportion to eps.

That needs layers with two derivatives. T5's own feed-forward is a ReLU: moved by O(eps), a share O(eps) of the units
crosses its kink, each with an error of O(eps). The columns of the output projection are nearly orthogonal, so these
errors add as squares, eps sqrt(eps) in all: relative to a correction of O(eps) a slope of 1/2, not 1. (On a finite
batch there is an eps below which no unit crosses any more; from there on a ReLU is as good as linear.)

Letters: B batch, T tokens of the stack, S source tokens, D width, N layers.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp
from transformers import BertModel, T5Config, T5Model
from transformers.models.t5.modeling_t5 import T5LayerNorm

StackInputs = tuple[Tensor, ...]  # what the layers read: (B, T, D), and in a decoder the encoder's output (B, S, D)


@dataclass(frozen=True)
class PerturbedLayer:
    """A layer L_i of the backbone and, for ``scale`` > 0, the layer L'_i of its perturbed copy.

    Args:
        block: the module itself.
        arguments: what else the backbone calls it with (masks, position biases), which tuning does not change.
        factors: LoRA's B (out, r) and A (r, in) of every perturbed weight, by name.
    """

    block: nn.Module
    arguments: dict[str, Any]
    factors: dict[str, tuple[Tensor, Tensor]]

    def __call__(self, state: Tensor, *source: Tensor, scale: float = 0.0) -> Tensor:
        """(B, T, D) and, in a decoder, the encoder's output (B, S, D) -> (B, T, D)."""
        get = self.block.get_parameter
        weights = {name: torch.addmm(get(name), b, a, alpha=scale) for name, (b, a) in self.factors.items()}
        read = {name: source[0] for name in ("encoder_hidden_states",) if name in self.arguments}
        output = functional_call(self.block, weights, (state,), self.arguments | read)
        return output[0] if isinstance(output, tuple) else output


@dataclass(frozen=True)
class Stack:
    """The layers of a stack in order, and the inputs that its frozen pass starts from."""

    layers: tuple[PerturbedLayer, ...]
    inputs: StackInputs

    def corrections(self, changes: StackInputs, *, scale: float) -> list[Tensor]:
        """Definition 2.1: phi'_i - phi_i, layer by layer, when the copy's inputs differ by ``changes``."""
        frozen, *source = self.inputs
        tuned, *tuned_source = (value + change for value, change in zip(self.inputs, changes, strict=True))
        found = []
        for layer in self.layers:
            frozen, tuned = layer(frozen, *source), layer(tuned, *tuned_source, scale=scale)
            found.append(tuned - frozen)
        return found

    def first_order(self, changes: StackInputs, *, scale: float) -> list[Tensor]:
        """The recursion for h_1..h_N, its Jacobians applied exactly (forward mode), never built."""
        state, *source = self.inputs
        h, *h_source = changes
        found = []
        for layer in self.layers:
            output, carried = jvp(layer, (state, *source), (h, *h_source))[:2]
            h = layer(state, *source, scale=scale) - output + carried
            state = output
            found.append(h)
        return found


def record(blocks: Sequence[nn.Module], run: Callable[[], Any], *, rank: int, generator: torch.Generator) -> Stack:
    """Run a backbone once and take down how it calls ``blocks``, each with a random LoRA beside it.

    The backbone's attention must be eager: the fused kernels have no forward-mode derivative.
    """
    calls: list[dict[str, Any]] = []

    def take_down(block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        bound = inspect.signature(block.forward).bind(*args, **kwargs).arguments
        calls.append(bound | bound.pop("kwargs", {}))

    handles = [block.register_forward_pre_hook(take_down, with_kwargs=True) for block in blocks]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    states = [call.pop(next(iter(call))) for call in calls]  # a block's first argument is its state
    given = [{name: value for name, value in call.items() if value is not None} for call in calls]
    source = given[0].get("encoder_hidden_states")
    layers = (
        PerturbedLayer(block, call, lora_factors(block, rank=rank, generator=generator))
        for block, call in zip(blocks, given, strict=True)
    )
    return Stack(tuple(layers), (states[0],) if source is None else (states[0], source))


def lora_factors(block: nn.Module, *, rank: int, generator: torch.Generator) -> dict[str, tuple[Tensor, Tensor]]:
    """Random B and A for every linear map of a block, |B A| = |W|, so that eps is the relative size of the update."""
    factors = {}
    for name, linear in block.named_modules():
        if isinstance(linear, nn.Linear):
            weight = linear.weight
            b = torch.randn(weight.shape[0], rank, generator=generator, dtype=weight.dtype)
            a = torch.randn(rank, weight.shape[1], generator=generator, dtype=weight.dtype)
            factors[f"{name}.weight"] = (b * (weight.norm() / (b @ a).norm()), a)
    return factors


def encoder_errors(encoder: Stack, *, scale: float) -> Tensor:
    """|h_i - dphi_i| / |dphi_i| of each encoder layer: (N,)."""
    start = (torch.zeros_like(encoder.inputs[0]),)
    return relative_errors(encoder.first_order(start, scale=scale), encoder.corrections(start, scale=scale))


def decoder_errors(encoder: Stack, decoder: Stack, *, scale: float, cross: bool) -> Tensor:
    """The same of each decoder layer, (N,); ``cross=False`` forgets K_i h_E: the negative control.

    The last layer of ``encoder`` must give what the decoder reads (in T5 that is its final norm).
    """
    start = torch.zeros_like(encoder.inputs[0])
    true_source = encoder.corrections((start,), scale=scale)[-1]
    h_source = encoder.first_order((start,), scale=scale)[-1]
    start = torch.zeros_like(decoder.inputs[0])
    estimates = decoder.first_order((start, h_source if cross else torch.zeros_like(h_source)), scale=scale)
    return relative_errors(estimates, decoder.corrections((start, true_source), scale=scale))


def relative_errors(estimates: Sequence[Tensor], truths: Sequence[Tensor]) -> Tensor:
    """|estimate - truth| / |truth| of each pair: (N,)."""
    pairs = zip(estimates, truths, strict=True)
    return torch.stack([(estimate - truth).norm() / truth.norm() for estimate, truth in pairs])


def curve(errors: Callable[[float], Tensor], scales: Sequence[float]) -> list[float]:
    """The error of the worst layer at each eps; ``errors`` gives those of all layers, (N,)."""
    return [float(errors(scale).max()) for scale in scales]


def slope(scales: Sequence[float], errors: Sequence[float]) -> float:
    """The slope of log error against log eps by least squares."""
    x, y = torch.tensor(scales).double().log(), torch.tensor(errors).double().log()
    x = x - x.mean()
    return float((x * y).sum() / (x * x).sum())


def bert_stack(model: BertModel, batch: dict[str, Tensor], *, rank: int, generator: torch.Generator) -> Stack:
    """The blocks of a BERT-like encoder (eager attention) on a batch, in float64."""
    model = model.double().eval().requires_grad_(False)
    return record(model.encoder.layer, lambda: model(**batch), rank=rank, generator=generator)


def t5_stacks(
    config: T5Config, *, tokens: tuple[int, int], batch_size: int, rank: int, generator: torch.Generator
) -> tuple[Stack, Stack]:
    """Encoder (its final norm as the last layer) and decoder blocks of a random T5 on random (S, T) tokens, float64."""
    model = T5Model._from_config(config, attn_implementation="eager").double().eval().requires_grad_(False)
    widen_norms(model)
    source_ids, target_ids = (
        torch.randint(config.vocab_size, (batch_size, length), generator=generator) for length in tokens
    )

    def run() -> None:
        model(input_ids=source_ids, decoder_input_ids=target_ids, use_cache=False)

    blocks = [*model.encoder.block, model.encoder.final_layer_norm]
    encoder = record(blocks, run, rank=rank, generator=generator)
    return encoder, record(model.decoder.block, run, rank=rank, generator=generator)


def widen_norms(model: nn.Module) -> None:
    """Let T5's norms compute in their weight's own precision: the library's do so in float32, whose rounding would
    hide an error of eps^2 from about eps = 1e-4 downwards."""
    for module in list(model.modules()):
        for name, norm in module.named_children():
            if isinstance(norm, T5LayerNorm):
                wide = nn.RMSNorm(norm.weight.shape, eps=norm.variance_epsilon, dtype=norm.weight.dtype)
                wide.weight = norm.weight
                setattr(module, name, wide)
