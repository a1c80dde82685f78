"""One frozen pass through a stack, for a side network that reads its layers.

The layers are handed on one by one, as the stack computes them, so that a side network can step beside the backbone
and no more than one layer's states need be alive. Without a reader the pass keeps them all.

Letters: B batch, T tokens of the stack, S source tokens, D width, N layers.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RMS_EPS = 1e-6  # of the parameter-free norm: a state of zeros stays one


@dataclass(frozen=True)
class Keep:
    """What a side network asks of the frozen pass.

    Args:
        normalised: whether the states are phi_1..phi_N, on T5 through an RMS norm without parameters, phi_N being the
            state after the final norm (READ, section 2.2: "already normalized hidden states"), or else the raw
            residual stream phi_0..phi_N (LST).
        output_only: keep the states of no layer, only what the stack returns (a task head).
        self_scores, cross_scores: keep every layer's attention, averaged over its heads.
        token_wise: each token is read by itself, so that the tokens which nothing is answered from may be left out.
    """

    normalised: bool
    output_only: bool = False
    self_scores: bool = False
    cross_scores: bool = False
    token_wise: bool = False


@dataclass(frozen=True)
class Layer:
    """What a frozen pass hands on of one layer: plain tensors outside any graph."""

    hidden: Tensor  # (B, T, D)
    self_scores: Tensor | None = None  # (B, T, T)
    cross_scores: Tensor | None = None  # (B, T, S)


Each = Callable[[Layer], None]  # a reader of layers
Take = Callable[[Tensor], Tensor]  # some tokens' states of a stack: (B, T, D) -> (B, fewer, D)


@dataclass(frozen=True)
class States:
    """What a frozen pass leaves: plain tensors outside any graph, fit to be cached and shared by many candidates.

    Where a reader took the layers as they came, only ``output`` is left.
    """

    hidden: Sequence[Tensor] | Tensor  # (N, B, T, D) if normalised, else (N + 1, B, T, D); empty with output_only
    output: Tensor  # (B, T, D), what the backbone itself would hand on
    self_scores: Tensor | None = None  # (N, B, T, T)
    cross_scores: Tensor | None = None  # (N, B, T, S)

    def layers(self) -> Iterator[Layer]:
        """The layers one by one, as the live pass hands them on; in raw form phi_0 comes first and has no scores."""
        for number, hidden in enumerate(self.hidden):
            yield Layer(hidden, self._beside(number, self.self_scores), self._beside(number, self.cross_scores))

    def _beside(self, number: int, scores: Tensor | None) -> Tensor | None:
        if scores is None:
            return None
        place = number - (len(self.hidden) - len(scores))
        return scores[place] if place >= 0 else None


def walk(frozen: Callable[..., States], keep: Keep, step: Each) -> Tensor:
    """Let a side network ``step`` over a stack's layers; returns the stack's own last state (B, T, D).

    Without a gradient it steps while the stack runs, and no state outlives its step. In training states must stay for
    the backward pass anyway, and so must what the side network makes of them: it steps when the stack is through, so
    that this is not alive beside what the stack needs for itself.
    ``frozen`` is the frozen pass of a stack over a batch, called with ``keep`` and perhaps a reader of layers.
    """
    if not torch.is_grad_enabled():
        return frozen(keep, step).output
    states = frozen(keep)
    for layer in states.layers():
        step(layer)
    return states.output


def rms(hidden: Tensor) -> Tensor:
    """The root mean square by which ``rms_norm`` divides: (..., D) -> (...)."""
    return (hidden.pow(2).mean(dim=-1) + RMS_EPS).sqrt()


def rms_norm(hidden: Tensor) -> Tensor:
    """Scale each state to root mean square 1, without parameters: (..., D) -> (..., D)."""
    return F.rms_norm(hidden, hidden.shape[-1:], eps=RMS_EPS)


class LayerBuffer:
    """One tensor (N, ...) that layers are written into as they come, so that no state is held twice."""

    def __init__(self, layers: int) -> None:
        self.layers, self.filled = layers, 0
        self.tensor: Tensor | None = None

    def append(self, value: Tensor | None) -> None:
        if value is None:
            return
        if self.tensor is None:
            self.tensor = value.new_empty((self.layers, *value.shape))
        self.tensor[self.filled].copy_(value)
        self.filled += 1


class AllLayers:
    """A reader of layers that keeps them all."""

    def __init__(self, depth: int, keep: Keep) -> None:
        self.hidden = LayerBuffer(depth if keep.normalised else depth + 1)
        self.self_scores, self.cross_scores = LayerBuffer(depth), LayerBuffer(depth)

    def __call__(self, layer: Layer) -> None:
        self.hidden.append(layer.hidden)
        self.self_scores.append(layer.self_scores)
        self.cross_scores.append(layer.cross_scores)

    def states(self, output: Tensor) -> States:
        """What was kept, with what the stack returned."""
        hidden = () if self.hidden.tensor is None else self.hidden.tensor
        return States(hidden, output, self.self_scores.tensor, self.cross_scores.tensor)


@contextmanager
def layer_hooks(modules: Sequence[nn.Module], after: Callable[[int, Any, Any], None]) -> Iterator[None]:
    """Call ``after(i, arguments, output)`` after each forward of the i-th module, while the context is open."""
    handles = [
        module.register_forward_hook(lambda _module, args, output, i=i: after(i, args, output))
        for i, module in enumerate(modules)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def run_frozen(
    forward: Callable[[], Tensor],
    *,
    layers: Sequence[nn.Module],
    attentions: Sequence[nn.Module],
    cross_attentions: Sequence[nn.Module],
    normalise: Callable[[Tensor], Tensor],
    keep: Keep,
    each: Each | None = None,
    take: Take | None = None,
    widen: bool = False,
) -> States:
    """Run ``forward`` once, without a graph.

    ``attentions`` return their scores (B, heads, T, tokens read) as the last item of their output. ``each`` reads the
    layers as they come, in order, without a graph too; without it the states of all layers are kept. ``take`` chooses
    the tokens whose states are handed on, and ``widen`` hands on a narrow backbone's states in 32 bit.
    """
    kept = AllLayers(len(layers), keep)
    hand_on = each or kept
    wide = torch.float32 if widen else None

    def read(state: Tensor) -> Tensor:
        return (state if take is None else take(state)).to(wide or state.dtype)

    scores: dict[str, Tensor] = {}  # of the layer that runs now: its attention ends before the layer does

    def after_layer(number: int, args: Any, output: Any) -> None:
        state = output[0] if isinstance(output, tuple) else output
        if not keep.normalised:
            if number == 0:
                hand_on(Layer(read(args[0])))
            hand_on(Layer(read(state), **scores))
        elif number < len(layers) - 1:  # the last one, phi_N, is the state after the final norm, handed on at the end
            hand_on(Layer(normalise(read(state)), **scores))

    def note(name: str) -> Callable[[int, Any, Any], None]:
        return lambda _number, _args, output: scores.update({name: output[-1].mean(dim=1, dtype=wide)})

    with (
        layer_hooks(() if keep.output_only else layers, after_layer),
        layer_hooks(attentions if keep.self_scores else (), note("self_scores")),
        layer_hooks(cross_attentions if keep.cross_scores else (), note("cross_scores")),
    ):
        output = read(forward())
        if keep.normalised and not keep.output_only:
            hand_on(Layer(normalise(output), **scores))
    return kept.states(output)
