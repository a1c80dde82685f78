"""READ: Recurrent Adaptation of Large Transformers (Wang et al., 2023, arXiv 2305.15348), section 2.2.

A small RNN runs beside the frozen backbone, over its LAYERS: one step a layer, the same cell at every layer and every
token. From the cached states phi_i (B, T, D) it computes corrections h_i (B, T, H),

    x_i = joiner(phi_i, h_{i-1}),   h_i = cell(x_i, h_{i-1}),   h_0 = 0,   output = phi_N + up(h_N),

and no gradient ever flows through the backbone. On T5 the encoder and the decoder have a READ each; the encoder's
correction dphi_E = up_E(h_N) reaches the decoder's through the cached cross-attention scores c_i,

    identity joiner:   x_i = phi_i + c_i dphi_E
    attention joiner:  x_i = [phi_i ; A h_{i-1} + s_i B h_{i-1} + c_i C dphi_E]        (equation 1, fused over layers)

with the terms in dphi_E in the decoder only, s_i the cached self-attention scores, and A, B, C learned linear maps.

Letters: B batch, T tokens of the stack, S source tokens, D width, H hidden, N layers.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from read_repro.backbones.backbone import Backbone, Batch
from read_repro.backbones.frozen_pass import Keep, States
from read_repro.errors import InputError
from read_repro.methods.base import Encoded, Method, Optimisation, Score

VERSION = 1  # raised when the numbers of this method change, so that no older record counts as done

CELLS = {"gru": nn.GRUCell, "rnn": nn.RNNCell, "lstm": nn.LSTMCell}
JOINERS = ("identity", "attention")


class SideRNN(nn.Module):
    """The READ of one stack: states of a frozen pass -> correction (B, T, D) of its last state.

    Args:
        width: D. hidden: H. depth: N.
        cell: gru, rnn (tanh) or lstm.
        joiner: identity or attention.
        recurrent: False gives every layer its own cell and up-projection and feeds no h_{i-1} in; the correction is
            then the sum over layers (Table 2).
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
        reads_encoder: bool,
        zero_output: bool,
    ) -> None:
        super().__init__()
        self.hidden, self.recurrent = hidden, recurrent
        inputs, copies = (width + hidden if joiner == "attention" else width), (1 if recurrent else depth)
        self.cells = nn.ModuleList(CELLS[cell](inputs, hidden) for _ in range(copies))
        self.up = nn.ModuleList(nn.Linear(hidden, width) for _ in range(copies))
        self.own = nn.Linear(hidden, hidden, bias=False) if joiner == "attention" else None  # A
        self.others = nn.Linear(hidden, hidden, bias=False) if joiner == "attention" else None  # B
        self.encoder = nn.Linear(width, hidden, bias=False) if joiner == "attention" and reads_encoder else None  # C
        if zero_output:
            for parameter in self.up.parameters():
                nn.init.zeros_(parameter)

    def forward(self, states: States, encoder_correction: Tensor | None = None) -> Tensor:
        """``encoder_correction`` (B, S, D) is dphi_E, in the decoder."""
        start = states.output.new_zeros(*states.output.shape[:-1], self.hidden)  # (B, T, H)
        h, c = start, start  # c is the LSTM's
        corrections = []
        for layer in range(len(states.hidden)):
            x = self.join(states, layer, h, encoder_correction)
            if self.recurrent:
                h, c = self.step(self.cells[0], x, h, c)
            else:
                corrections.append(self.up[layer](self.step(self.cells[layer], x, start, start)[0]))
        return self.up[0](h) if self.recurrent else torch.stack(corrections).sum(dim=0)

    def step(self, cell: nn.Module, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """One layer for all tokens at once: (B, T, inputs), (B, T, H) -> (B, T, H)."""
        x_rows, h_rows = x.flatten(0, 1), h.flatten(0, 1)  # (B * T, .)
        if isinstance(cell, nn.GRUCell):
            return gru_step(cell, x_rows, h_rows).view_as(h), c
        if isinstance(cell, nn.LSTMCell):
            new_h, new_c = cell(x_rows, (h_rows, c.flatten(0, 1)))
            return new_h.view_as(h), new_c.view_as(c)
        return cell(x_rows, h_rows).view_as(h), c

    def join(self, states: States, layer: int, h: Tensor, encoder_correction: Tensor | None) -> Tensor:
        """The joiner: x_i, (B, T, D) or (B, T, D + H)."""
        phi = states.hidden[layer]
        if self.own is None or self.others is None:
            if encoder_correction is None:
                return phi
            assert states.cross_scores is not None
            return phi + states.cross_scores[layer] @ encoder_correction
        assert states.self_scores is not None
        psi = self.own(h) + states.self_scores[layer] @ self.others(h)
        if self.encoder is not None:
            assert states.cross_scores is not None
            assert encoder_correction is not None
            psi = psi + states.cross_scores[layer] @ self.encoder(encoder_correction)
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


class READ(Method):
    """READ on any backbone.

    Args:
        hidden: H, the RNN's width (section 3.3: 128 or 256).
        cell: gru, rnn or lstm (section 3.3).
        joiner: identity (what Table 1 counts) or attention (equation 1).
        recurrent: False for Table 2's ablation.

    Raises:
        InputError: a value that does not exist.
    """

    side_network = True

    def __init__(
        self,
        backbone: Backbone,
        optimisation: Optimisation,
        score: Score,
        *,
        hidden: int,
        cell: str,
        joiner: str,
        recurrent: bool,
    ) -> None:
        if hidden < 1:
            raise InputError(f"method.hidden={hidden}: the RNN's width must be at least 1 (the paper: 128 or 256)")
        if cell not in CELLS:
            raise InputError(f"method.cell={cell} does not exist: choose one of {', '.join(CELLS)}")
        if joiner not in JOINERS:
            raise InputError(f"method.joiner={joiner} does not exist: choose one of {', '.join(JOINERS)}")
        attention = joiner == "attention"
        if attention and not recurrent:
            raise InputError(
                "method.joiner=attention needs method.recurrent=true: without recurrence no h_{i-1} is fed in, and the "
                "joiner's maps of it would never train"
            )
        super().__init__(backbone, optimisation, score)
        last = list(backbone.depth)[-1]
        self.side = nn.ModuleDict()
        self.keep = {}
        for stack, depth in backbone.depth.items():
            crosses = stack == "decoder"
            self.keep[stack] = Keep(normalised=True, self_scores=attention, cross_scores=crosses)
            if attention or crosses:
                backbone.open_attention(stack)
            self.side[stack] = SideRNN(
                width=backbone.width,
                hidden=hidden,
                depth=depth,
                cell=cell,
                joiner=joiner,
                recurrent=recurrent,
                reads_encoder=crosses,
                zero_output=stack == last,  # training starts at the backbone; dphi_E need not be zero for that
            )

    def encode(self, batch: Batch) -> Encoded:
        states = self.backbone.frozen_encoder(batch, self.keep["encoder"])
        correction = self.side["encoder"](states)
        if "decoder" in self.side:  # the backbone's decoder reads the uncorrected output
            return Encoded(states.output, batch, correction)
        return Encoded(states.output + correction, batch)

    def decode(self, encoded: Encoded, decoder_ids: Tensor) -> Tensor:
        states = self.backbone.frozen_decoder(encoded.state, encoded.batch, decoder_ids, self.keep["decoder"])
        return states.output + self.side["decoder"](states, encoded.side)
