"""Adapter: Parameter-Efficient Transfer Learning for NLP (Houlsby et al., 2019, arXiv 1902.00751); a baseline of READ's
section 3.1.

A small residual map with a bottleneck of k numbers, inserted into the frozen backbone:

    x <- x + W_up gelu(W_down x + b_down) + b_up,     W_down: k x D,  W_up: D x k

READ's text says "after every attention and feed-forward layer", but its 0.96% of T5-base is one adapter of bottleneck
64 after every transformer layer (0.961%; after self-attention and feed-forward with bottleneck 32 it would print 0.97):
``placement=layer``. ``placement=sublayer`` is the text's and Houlsby's: after self-attention and after feed-forward,
before dropout, residual sum and layer norm; none after T5's cross-attention, as LST's authors place them.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from read_repro.backbones.backbone import Backbone
from read_repro.errors import InputError
from read_repro.methods.base import Method, Optimisation, Score
from read_repro.methods.module_patterns import matching

VERSION = 1  # raised when the numbers of this method change, so that no older record counts as done

PLACEMENTS = {  # T5's names, then BERT's, by which the others are found too
    "layer": (r"(encoder|decoder)\.block\.\d+", r"encoder\.layer\.\d+"),
    "sublayer": (r".*\.SelfAttention", r".*\.DenseReluDense", r"encoder\.layer\.\d+\.(attention\.)?output\.dense"),
}
LAYER_NORMS = (r".*layer_norm", r".*LayerNorm")


class Bottleneck(nn.Module):
    """One adapter, (B, T, D) -> (B, T, D); weights start at N(0, std^2), biases at zero."""

    def __init__(self, *, width: int, bottleneck: int, down_std: float, up_std: float) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)
        for linear, std in ((self.down, down_std), (self.up, up_std)):
            nn.init.normal_(linear.weight, std=std)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.up(F.gelu(self.down(x), approximate="tanh"))

    def adapt(self, module: nn.Module, args: Any, output: Any) -> Any:
        """As a forward hook: adapt what ``module`` returns, or the first part of it."""
        return (self(output[0]), *output[1:]) if isinstance(output, tuple) else self(output)


class Adapter(Method):
    """Train small residual maps between the frozen layers.

    Args:
        bottleneck: k (section 3.3: 32 or 64).
        placement: layer or sublayer, see above.
        down_std: standard deviation at which the down-projections start. up_std: the up-projections; with 0 training
            starts at the backbone.
        layer_norms: whether the backbone's layer norms train too (LST's authors; Houlsby).

    Raises:
        InputError: a value that does not exist.
    """

    def __init__(
        self,
        backbone: Backbone,
        optimisation: Optimisation,
        score: Score,
        *,
        bottleneck: int,
        placement: str,
        down_std: float,
        up_std: float,
        layer_norms: bool,
    ) -> None:
        if bottleneck < 1:
            raise InputError(f"method.bottleneck={bottleneck}: at least 1 is needed (the paper: 32 or 64)")
        if placement not in PLACEMENTS:
            raise InputError(f"method.placement={placement} does not exist: choose one of {', '.join(PLACEMENTS)}")
        super().__init__(backbone, optimisation, score)
        self.adapters = nn.ModuleList()
        for module in matching(backbone.model, PLACEMENTS[placement]).values():
            adapter = Bottleneck(width=backbone.width, bottleneck=bottleneck, down_std=down_std, up_std=up_std)
            module.register_forward_hook(adapter.adapt)
            self.adapters.append(adapter)
        if layer_norms:
            for norm in matching(backbone.model, LAYER_NORMS).values():
                norm.requires_grad_(True)
