"""The floor: a linear task head on the frozen backbone, which every method must beat. Not in the paper."""

from read_repro.backbones.backbone import Backbone, Batch
from read_repro.backbones.frozen_pass import Keep
from read_repro.errors import InputError
from read_repro.methods.base import Encoded, Method, Optimisation, Score

VERSION = 1  # raised when the numbers of this method change, so that no older record counts as done


class Head(Method):
    """Train the task head alone. On T5, which answers in words, there is none: refused."""

    side_network = True

    def __init__(self, backbone: Backbone, optimisation: Optimisation, score: Score) -> None:
        if backbone.head is None:
            raise InputError(
                "method=head trains a task head alone, and T5 has none (it answers in words): "
                "use backbone=minilm or another BERT-like backbone, or another method"
            )
        super().__init__(backbone, optimisation, score)
        self.keep = {"encoder": Keep(normalised=True, output_only=True)}

    def encode(self, batch: Batch) -> Encoded:
        return Encoded(self.backbone.frozen_encoder(batch, self.keep["encoder"]).output, batch)
