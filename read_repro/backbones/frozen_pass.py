"""What one frozen pass through a stack leaves for a side network.

Letters: B batch, T tokens of the stack, S source tokens, D width, N layers.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Keep:
    """What a side network asks of the frozen pass.

    ``normalised``: phi_1..phi_N, on T5 through a parameter-free RMS norm, phi_N being the state after the final norm
    (READ, section 2.2: "already normalized hidden states"); otherwise the raw residual stream phi_0..phi_N (LST).
    Scores are head-means of the attention of every layer. ``output_only`` keeps no layer's states (a task head).
    """

    normalised: bool
    output_only: bool = False
    self_scores: bool = False
    cross_scores: bool = False


@dataclass(frozen=True)
class States:
    """Plain tensors outside any graph, fit to be cached and shared by many candidates."""

    hidden: Sequence[Tensor] | Tensor  # (N, B, T, D) if normalised, else (N + 1, B, T, D); empty with output_only
    output: Tensor  # (B, T, D), what the backbone itself would hand on
    self_scores: Tensor | None = None  # (N, B, T, T)
    cross_scores: Tensor | None = None  # (N, B, T, S)


def rms_norm(hidden: Tensor, eps: float = 1e-6) -> Tensor:
    """Scale each state to root mean square 1, without parameters: (..., D) -> (..., D)."""
    return F.rms_norm(hidden, hidden.shape[-1:], eps=eps)


class LayerBuffer:
    """One tensor (N, ...) that layers are written into as they come, so that no state is held twice."""

    def __init__(self, layers: int) -> None:
        self.layers = layers
        self.tensor: Tensor | None = None

    def write(self, layer: int, value: Tensor) -> None:
        if self.tensor is None:
            self.tensor = value.new_empty((self.layers, *value.shape))
        self.tensor[layer].copy_(value)


@contextmanager
def layer_hooks(modules: Sequence[nn.Module], keep: Callable[[int, Any, Any], None]) -> Iterator[None]:
    """Call ``keep(i, arguments, output)`` after each forward of the i-th module, while the context is open."""
    handles = [
        module.register_forward_hook(lambda _module, args, output, i=i: keep(i, args, output))
        for i, module in enumerate(modules)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def run_frozen(
    forward: Callable[[], Tensor],
    *,
    layers: Sequence[nn.Module],
    attentions: Sequence[nn.Module],
    cross_attentions: Sequence[nn.Module],
    normalise: Callable[[Tensor], Tensor],
    keep: Keep,
) -> States:
    """Run ``forward`` once and keep what was asked for. The caller closes the graph (``torch.no_grad``).

    ``attentions`` return their scores (B, heads, T, tokens read) as the last item of their output.
    """
    depth = len(layers)
    hidden = LayerBuffer(depth if keep.normalised else depth + 1)
    self_scores, cross_scores = LayerBuffer(depth), LayerBuffer(depth)

    def keep_state(layer: int, args: Any, output: Any) -> None:
        if keep.output_only:
            return
        state = output[0] if isinstance(output, tuple) else output
        if not keep.normalised:
            if layer == 0:
                hidden.write(0, args[0])
            hidden.write(layer + 1, state)
        elif layer < depth - 1:  # phi_N is the state after the final norm: written at the end
            hidden.write(layer, normalise(state))

    with (
        layer_hooks(layers, keep_state),
        layer_hooks(attentions if keep.self_scores else (), lambda i, _, out: self_scores.write(i, out[-1].mean(1))),
        layer_hooks(
            cross_attentions if keep.cross_scores else (), lambda i, _, out: cross_scores.write(i, out[-1].mean(1))
        ),
    ):
        output = forward()
    if keep.normalised and not keep.output_only:
        hidden.write(depth - 1, normalise(output))
    return States(() if hidden.tensor is None else hidden.tensor, output, self_scores.tensor, cross_scores.tensor)
