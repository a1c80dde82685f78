"""Full-tuning: every weight of the backbone is trained (READ, arXiv 2305.15348, section 3.1, the strong baseline)."""

from read_repro.backbones.backbone import Backbone
from read_repro.methods.base import Method, Optimisation, Score

VERSION = 1  # raised when the numbers of this method change, so that no older record counts as done


class Full(Method):
    """Train everything, tied embeddings included."""

    def __init__(self, backbone: Backbone, optimisation: Optimisation, score: Score) -> None:
        super().__init__(backbone, optimisation, score)
        backbone.model.requires_grad_(True)
