"""READ's side network of one stack: an RNN that steps over the layers of a frozen backbone, one by one.

The equations are in ``read_repro.methods.read``. Letters: B batch, T tokens of the stack, S source tokens, D width,
H hidden, N layers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from read_repro.backbones.frozen_pass import Keep, Layer
from read_repro.errors import InputError

CELLS = {"gru": nn.GRUCell, "rnn": nn.RNNCell, "lstm": nn.LSTMCell}
CHOICES = {
    "cell": tuple(CELLS),
    "joiner": ("identity", "attention"),
    "aggregate": ("last", "mean"),
    "norm": ("plain", "learned"),
    "readout_init": ("zero", "default"),
}


@dataclass(frozen=True)
class GRUWeights:
    """A GRU cell's weights as its step uses them: W_ih whole, W_hh cut between the gates r, z and the candidate n.

    They are cut once for all layers: cut at every layer, each cut's gradient would be padded to the whole by itself.
    """

    from_x: tuple[Tensor, Tensor]
    gates_from_h: tuple[Tensor, Tensor]
    candidate_from_h: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, cell: nn.GRUCell) -> Self:
        """Of a cell, for one forward pass."""
        split, (weight, bias) = 2 * cell.hidden_size, (cell.weight_hh, cell.bias_hh)
        return cls((cell.weight_ih, cell.bias_ih), (weight[:split], bias[:split]), (weight[split:], bias[split:]))


@dataclass
class Progress:
    """How far a `SideRNN` has come along the layers of a batch.

    ``encoder_correction`` (B, S, D) is dphi_E, in the decoder; ``h`` (B, T, H) and the LSTM's ``c`` (B * T, H) are the
    last step's, None before the first; ``weights`` are a GRU's, cut for its steps; ``total`` is the sum so far of what
    the correction is made of: states (B, T, H) or, without recurrence, corrections (B, T, D).
    """

    encoder_correction: Tensor | None = None
    steps: int = 0
    h: Tensor | None = None
    c: Tensor | None = None
    weights: GRUWeights | None = None
    total: Tensor | None = None


class SideRNN(nn.Module):
    """The READ of one stack: the layers of a frozen pass, one by one -> correction (B, T, D) of its last state.

    ``start``, then ``step`` with each layer in order, then ``finish``.

    Args:
        width: D. hidden: H. depth: N.
        cell: gru, rnn (tanh) or lstm.
        joiner: identity or attention.
        recurrent: False gives every layer its own cell and up-projection and feeds no h_{i-1} in; the correction is
            then the sum over layers (Table 2).
        aggregate: what is projected up: the last h or the mean over layers.
        learned_norm: whether phi_i passes an RMS norm with learned weights first.
        output_scale: a factor on the correction.
        reads_encoder: True in the decoder, where the encoder's correction joins in.
        zero_output: start with a correction of exactly zero.
    """

    def __init__(
        self,
        *,
        width: int,
        hidden: int,
        depth: int,
        cell: str,
        joiner: str,
        recurrent: bool,
        aggregate: str,
        learned_norm: bool,
        output_scale: float,
        reads_encoder: bool,
        zero_output: bool,
    ) -> None:
        super().__init__()
        self.hidden, self.recurrent, self.aggregate, self.output_scale = hidden, recurrent, aggregate, output_scale
        inputs, copies = (width + hidden if joiner == "attention" else width), (1 if recurrent else depth)
        self.norm = nn.RMSNorm(width, eps=1e-6) if learned_norm else None
        self.cells = nn.ModuleList(CELLS[cell](inputs, hidden) for _ in range(copies))
        self.up = nn.ModuleList(nn.Linear(hidden, width) for _ in range(copies))
        self.own = nn.Linear(hidden, hidden, bias=False) if joiner == "attention" else None  # A
        self.others = nn.Linear(hidden, hidden, bias=False) if joiner == "attention" else None  # B
        self.encoder = nn.Linear(width, hidden, bias=False) if joiner == "attention" and reads_encoder else None  # C
        if zero_output:
            for parameter in self.up.parameters():
                nn.init.zeros_(parameter)

    def start(self, encoder_correction: Tensor | None = None) -> Progress:
        """Before the first layer."""
        return Progress(encoder_correction)

    def step(self, progress: Progress, layer: Layer) -> None:
        """Take one layer, for all tokens at once."""
        x = self.join(layer, progress.h, progress.encoder_correction)
        if self.recurrent:
            progress.h = self.advance(self.cells[0], x, progress)
            part = progress.h if self.aggregate == "mean" else None
        else:  # h stays at its start, and so does c
            part = self.up[progress.steps](self.advance(self.cells[progress.steps], x, Progress()))
        if part is not None:
            progress.total = part if progress.total is None else progress.total + part
        progress.steps += 1

    def finish(self, progress: Progress) -> Tensor:
        """Behind the last layer: the correction (B, T, D)."""
        correction: Any = progress.total
        if self.recurrent:
            correction = self.up[0](progress.h if progress.total is None else progress.total / progress.steps)
        return correction if self.output_scale == 1.0 else self.output_scale * correction

    def advance(self, cell: nn.Module, x: Tensor, progress: Progress) -> Tensor:
        """One step of a cell for all tokens at once: (B, T, inputs) -> h (B, T, H); an LSTM's c goes into progress."""
        x_rows, shape = x.flatten(0, 1), (*x.shape[:2], self.hidden)  # (B * T, .)
        h_rows = None if progress.h is None else progress.h.flatten(0, 1)
        if isinstance(cell, nn.GRUCell):
            progress.weights = progress.weights or GRUWeights.of(cell)
            return gru_step(progress.weights, x_rows, h_rows).view(shape)
        if isinstance(cell, nn.LSTMCell):
            state = None if h_rows is None or progress.c is None else (h_rows, progress.c)
            new_h, progress.c = cell(x_rows, state)
            return new_h.view(shape)
        return cell(x_rows, h_rows).view(shape)

    def join(self, layer: Layer, h: Tensor | None, encoder_correction: Tensor | None) -> Tensor:
        """The joiner: x_i, (B, T, D) or (B, T, D + H)."""
        phi = layer.hidden if self.norm is None else self.norm(layer.hidden)
        if self.own is None or self.others is None:
            if encoder_correction is None:
                return phi
            assert layer.cross_scores is not None
            return phi + layer.cross_scores @ encoder_correction
        assert layer.self_scores is not None
        h = phi.new_zeros(*phi.shape[:-1], self.hidden) if h is None else h
        psi = self.own(h) + layer.self_scores @ self.others(h)
        if self.encoder is not None:
            assert layer.cross_scores is not None
            assert encoder_correction is not None
            psi = psi + layer.cross_scores @ self.encoder(encoder_correction)
        return torch.cat([phi, psi], dim=-1)


def gru_step(weights: GRUWeights, x: Tensor, h: Tensor | None) -> Tensor:
    """One step of a GRU cell, (rows, inputs), (rows, H) -> (rows, H), in operations that keep little for the backward
    pass; None for ``h`` is the start, zero, which takes no product.

    They keep r, z, n, W_hn h and the result, 5 H a row; torch's own cell keeps 7 H on the CPU and on CUDA, fused, 12 H:
    both its products (3 H each) and a workspace (5 H).
    """
    from_x = F.linear(x, *weights.from_x)  # (rows, 3 H): r, z, n
    gates_from_h, candidate_from_h = (
        pair[1] if h is None else F.linear(h, *pair) for pair in (weights.gates_from_h, weights.candidate_from_h)
    )
    split = len(weights.gates_from_h[1])
    r, z = torch.sigmoid(from_x[:, :split] + gates_from_h).chunk(2, dim=-1)
    n = torch.tanh(torch.addcmul(from_x[:, split:], r, candidate_from_h))
    return torch.lerp(n, torch.zeros_like(n) if h is None else h.to(n.dtype), z)  # (1 - z) n + z h


def side_networks(
    depth: Mapping[str, int],
    *,
    width: int,
    hidden: int,
    cell: str,
    joiner: str,
    recurrent: bool,
    aggregate: str,
    norm: str,
    readout_init: str,
    output_scale: float,
) -> tuple[nn.ModuleDict, dict[str, Keep]]:
    """A `SideRNN` for each stack of a backbone, and what each reads of the frozen pass through its stack.

    Args:
        depth: N of each stack, in the order in which they run. width: D. The others: as ``methods.read.READ``'s.
    """
    named = {"cell": cell, "joiner": joiner, "aggregate": aggregate, "norm": norm, "readout_init": readout_init}
    check_choices(hidden=hidden, recurrent=recurrent, output_scale=output_scale, named=named)
    last, attention = list(depth)[-1], joiner == "attention"
    sides, keep = nn.ModuleDict(), {}
    for stack, layers in depth.items():
        reads_encoder = stack == last and len(depth) > 1
        keep[stack] = Keep(normalised=True, self_scores=attention, cross_scores=reads_encoder, token_wise=not attention)
        sides[stack] = SideRNN(
            width=width,
            hidden=hidden,
            depth=layers,
            cell=cell,
            joiner=joiner,
            recurrent=recurrent,
            aggregate=aggregate,
            learned_norm=norm == "learned",
            output_scale=output_scale,
            reads_encoder=reads_encoder,
            # training starts at the backbone; dphi_E need not be zero for that
            zero_output=stack == last and readout_init == "zero",
        )
    return sides, keep


def check_choices(
    *, hidden: int, recurrent: bool, output_scale: float, named: Mapping[str, str], prefix: str = "method."
) -> None:
    """Refuse a READ that does not exist; ``prefix`` is what the keys are called by whoever gave them.

    Raises:
        InputError: naming the key.
    """
    if hidden < 1:
        raise InputError(f"{prefix}hidden={hidden}: the RNN's width must be at least 1 (the paper: 128 or 256)")
    for key, value in named.items():
        if value not in CHOICES[key]:
            raise InputError(f"{prefix}{key}={value} does not exist: choose one of {', '.join(CHOICES[key])}")
    if not 0 < output_scale < float("inf"):
        raise InputError(f"{prefix}output_scale={output_scale}: give a number above 0 (the paper's READ has none: 1.0)")
    if not recurrent and named["joiner"] == "attention":
        raise InputError(
            f"{prefix}joiner=attention needs {prefix}recurrent=true: without recurrence no h_{{i-1}} is fed in, and "
            "the joiner's maps of it would never train"
        )
    if not recurrent and named["aggregate"] == "mean":
        raise InputError(
            f"{prefix}aggregate=mean needs {prefix}recurrent=true: without recurrence every layer has an up-projection "
            "of its own, and the correction is their sum"
        )
