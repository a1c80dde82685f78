"""The floor: a linear task head on the frozen backbone, which every method must beat. Not in the paper."""

from torch import Tensor

from read_repro.backbones.backbone import Backbone, Batch
from read_repro.backbones.frozen_pass import Keep
from read_repro.errors import InputError
from read_repro.methods.base import Encoded, Method, Optimisation, Score

VERSION = 1  # raised when the numbers of this method change, so that no older record counts as done


class Head(Method):
    """Train the task head alone. A backbone that answers in words has none: refused."""

    side_network = True

    def __init__(self, backbone: Backbone, optimisation: Optimisation, score: Score) -> None:
        if backbone.head is None:
            raise InputError(
                "method=head trains a task head alone, and this backbone has none (it answers in words): use an "
                "encoder such as backbone=minilm, or a decoder with backbone.answers=head, or another method"
            )
        super().__init__(backbone, optimisation, score)
        self.keep = dict.fromkeys(backbone.depth, Keep(normalised=True, output_only=True, token_wise=True))

    def encode(self, batch: Batch) -> Encoded:
        if "encoder" not in self.keep:
            return super().encode(batch)
        return Encoded(self.backbone.frozen_encoder(batch, self.keep["encoder"]).output, batch)

    def decode(self, encoded: Encoded, decoder_ids: Tensor) -> Tensor:
        return self.backbone.frozen_decoder(encoded.state, encoded.batch, decoder_ids, self.keep["decoder"]).output
