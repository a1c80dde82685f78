"""READ's side network of one stack: an RNN that steps over the layers of a frozen backbone, one by one.

The equations are in ``read_repro.methods.read``. Letters: B batch, T tokens of the stack, S source tokens, D width,
H hidden, N layers.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from read_repro.backbones.frozen_pass import Layer

CELLS = {"gru": nn.GRUCell, "rnn": nn.RNNCell, "lstm": nn.LSTMCell}


@dataclass
class Progress:
    """How far a `SideRNN` has come along the layers of a batch.

    ``encoder_correction`` (B, S, D) is dphi_E, in the decoder; ``h`` and the LSTM's ``c`` (B, T, H) are the last
    step's; ``total`` is the sum so far of what the correction is made of: states (B, T, H) or, without recurrence,
    corrections (B, T, D).
    """

    encoder_correction: Tensor | None = None
    steps: int = 0
    h: Tensor | None = None
    c: Tensor | None = None
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
        if progress.h is None:
            progress.h = layer.hidden.new_zeros(*layer.hidden.shape[:-1], self.hidden)
        x = self.join(layer, progress.h, progress.encoder_correction)
        if self.recurrent:
            progress.h, progress.c = self.advance(self.cells[0], x, progress.h, progress.c)
            part = progress.h if self.aggregate == "mean" else None
        else:  # h stays zero
            part = self.up[progress.steps](self.advance(self.cells[progress.steps], x, progress.h, progress.c)[0])
        if part is not None:
            progress.total = part if progress.total is None else progress.total + part
        progress.steps += 1

    def finish(self, progress: Progress) -> Tensor:
        """Behind the last layer: the correction (B, T, D)."""
        correction: Any = progress.total
        if self.recurrent:
            correction = self.up[0](progress.h if progress.total is None else progress.total / progress.steps)
        return correction if self.output_scale == 1.0 else self.output_scale * correction

    def advance(self, cell: nn.Module, x: Tensor, h: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """One step of a cell for all tokens at once: (B, T, inputs), (B, T, H) -> (B, T, H).

        Only an LSTM has a ``c``; None is its start, zero.
        """
        x_rows, h_rows = x.flatten(0, 1), h.flatten(0, 1)  # (B * T, .)
        if isinstance(cell, nn.GRUCell):
            return gru_step(cell, x_rows, h_rows).view_as(h), None
        if isinstance(cell, nn.LSTMCell):
            new_h, new_c = cell(x_rows, (h_rows, torch.zeros_like(h_rows) if c is None else c.flatten(0, 1)))
            return new_h.view_as(h), new_c.view_as(h)
        return cell(x_rows, h_rows).view_as(h), None

    def join(self, layer: Layer, h: Tensor, encoder_correction: Tensor | None) -> Tensor:
        """The joiner: x_i, (B, T, D) or (B, T, D + H)."""
        phi = layer.hidden if self.norm is None else self.norm(layer.hidden)
        if self.own is None or self.others is None:
            if encoder_correction is None:
                return phi
            assert layer.cross_scores is not None
            return phi + layer.cross_scores @ encoder_correction
        assert layer.self_scores is not None
        psi = self.own(h) + layer.self_scores @ self.others(h)
        if self.encoder is not None:
            assert layer.cross_scores is not None
            assert encoder_correction is not None
            psi = psi + layer.cross_scores @ self.encoder(encoder_correction)
        return torch.cat([phi, psi], dim=-1)


def gru_step(cell: nn.GRUCell, x: Tensor, h: Tensor) -> Tensor:
    """``cell(x, h)``, (rows, inputs), (rows, H) -> (rows, H), in operations that keep little for the backward pass.

    They keep r, z, n, W_hn h and the result, 5 H a row; torch's own cell keeps 7 H on the CPU and on CUDA, fused, 12 H:
    both its products (3 H each) and a workspace (5 H).
    """
    split = 2 * h.shape[-1]
    from_x = F.linear(x, cell.weight_ih, cell.bias_ih)  # (rows, 3 H): r, z, n
    gates = torch.sigmoid(from_x[:, :split] + F.linear(h, cell.weight_hh[:split], cell.bias_hh[:split]))
    r, z = gates.chunk(2, dim=-1)
    n = torch.tanh(torch.addcmul(from_x[:, split:], r, F.linear(h, cell.weight_hh[split:], cell.bias_hh[split:])))
    return torch.lerp(n, h.to(n.dtype), z)  # (1 - z) n + z h; h starts in 32 bit under autocast
