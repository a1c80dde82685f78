"""BitFit: Simple Parameter-efficient Fine-tuning (Ben-Zaken, Ravfogel and Goldberg, 2021, arXiv 2106.10199); a baseline
of READ's section 3.1.

Only biases train: b in W x + b and in each layer norm. BERT has them; a backbone without any is refused, except T5:
there biases that start at zero are added, and which ones decides the count: READ's 0.06% of T5-base is 147,456, which
q, k and v of self-attention and both maps of the feed-forward make, in both stacks. LST's authors add them everywhere
inside the blocks and to the lm_head.
"""

from collections.abc import Sequence

from read_repro.backbones.backbone import Backbone
from read_repro.methods.base import Method, Optimisation, Score
from read_repro.methods.module_patterns import train_biases

VERSION = 1  # raised when the numbers of this method change, so that no older record counts as done


class BitFit(Method):
    """Train biases alone.

    Args:
        biases: regular expressions of the names of the linear maps and layer norms whose biases train; on T5, one that
            has none gets one.

    Raises:
        InputError: nothing in the backbone has such a name.
    """

    def __init__(self, backbone: Backbone, optimisation: Optimisation, score: Score, *, biases: Sequence[str]) -> None:
        super().__init__(backbone, optimisation, score)
        train_biases(backbone.model, biases)
