"""READ: Recurrent Adaptation of Large Transformers (Wang et al., 2023, arXiv 2305.15348), section 2.2.

A small RNN runs beside the frozen backbone, over its LAYERS: one step a layer, the same cell at every layer and every
token. From the backbone's states phi_i (B, T, D) it computes corrections h_i (B, T, H),

    x_i = joiner(phi_i, h_{i-1}),   h_i = cell(x_i, h_{i-1}),   h_0 = 0,   output = phi_N + up(h_N),

and no gradient ever flows through the backbone. An encoder and its decoder have a READ each; the encoder's
correction dphi_E = up_E(h_N) reaches the decoder's through the cached cross-attention scores c_i,

    identity joiner:   x_i = phi_i + c_i dphi_E
    attention joiner:  x_i = [phi_i ; A h_{i-1} + s_i B h_{i-1} + c_i C dphi_E]        (equation 1, fused over layers)

with the terms in dphi_E in the decoder only, s_i the cached self-attention scores, and A, B, C learned linear maps.
When nothing is trained, the cell steps while the backbone runs, so that no layer's states outlive their step.

No code of the paper is public for its T5 and GLUE; an author's prototype for captioning images is
(github.com/JohnlNguyen/READ, April 2023, without a licence, so nothing here comes from it). It differs where the paper
is silent, and what it does can be chosen: up(mean of h_1 .. h_N) instead of up(h_N) (``aggregate=mean``), an RMS norm
with learned weights on every phi_i (``norm=learned``), an up-projection that does not start at zero
(``readout_init=default``), and a factor on the correction (``output_scale``).

Letters: B batch, T tokens of the stack, S source tokens, D width, H hidden, N layers.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor

from read_repro.backbones.backbone import Backbone, Batch
from read_repro.backbones.frozen_pass import States, walk
from read_repro.methods.base import Encoded, Method, Optimisation, Score
from read_repro.methods.read_side import SideRNN, side_networks

VERSION = 1  # raised when the numbers of this method change, so that no older record counts as done


class READ(Method):
    """READ on any backbone.

    Args:
        hidden: H, the RNN's width (section 3.3: 128 or 256).
        cell: gru, rnn or lstm (section 3.3).
        joiner: identity (what Table 1 counts) or attention (equation 1).
        recurrent: False for Table 2's ablation.
        aggregate: last or mean, of the RNN's states over layers.
        norm: plain or learned, of the states that the cell reads.
        readout_init: zero or default, of the up-projection that the answer reads.
        output_scale: a factor on every stack's correction.

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
        aggregate: str,
        norm: str,
        readout_init: str,
        output_scale: float,
    ) -> None:
        super().__init__(backbone, optimisation, score)
        self.side, self.keep = side_networks(
            backbone.depth,
            width=backbone.width,
            hidden=hidden,
            cell=cell,
            joiner=joiner,
            recurrent=recurrent,
            aggregate=aggregate,
            norm=norm,
            readout_init=readout_init,
            output_scale=output_scale,
        )
        for stack, keep in self.keep.items():
            if keep.self_scores or keep.cross_scores:
                backbone.open_attention(stack)

    def encode(self, batch: Batch) -> Encoded:
        if "encoder" not in self.side:
            return super().encode(batch)
        output, correction = self.corrected("encoder", partial(self.backbone.frozen_encoder, batch))
        if "decoder" in self.side:  # the backbone's decoder reads the uncorrected output
            return Encoded(output, batch, correction)
        return Encoded(output + correction, batch)

    def decode(self, encoded: Encoded, decoder_ids: Tensor) -> Tensor:
        frozen = partial(self.backbone.frozen_decoder, encoded.state, encoded.batch, decoder_ids)
        output, correction = self.corrected("decoder", frozen, encoded.side)
        return self.backbone.answered(output + correction, encoded.batch, decoder_ids, self.keep["decoder"])

    def corrected(
        self, stack: str, frozen: Callable[..., States], encoder_correction: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """A stack's own last state and its correction, (B, T, D) each."""
        side = self.side[stack]
        assert isinstance(side, SideRNN)
        progress = side.start(encoder_correction)
        output = walk(frozen, self.keep[stack], partial(side.step, progress))
        return output, side.finish(progress)
