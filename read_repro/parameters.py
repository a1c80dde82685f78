"""How many parameters a method trains, counted as the paper counts them.

The paper's percentages are those of a T5 whose lm_head is counted apart from its embedding (247,577,856 parameters for
T5-base); transformers ties the two (222,903,552). Both percentages are reported; a BERT-like task head, which every
method trains alike, is counted apart.
"""

from read_repro.backbones import Backbone, T5Backbone
from read_repro.methods.base import Method


def paper_size(backbone: Backbone) -> int | None:
    """The paper's count of a T5's parameters, its output layer counted apart from the embedding."""
    if not isinstance(backbone, T5Backbone):
        return None
    return backbone.size + backbone.model.shared.weight.numel()


def count(method: Method) -> dict[str, float | None]:
    """``params/trainable`` (without the task head), ``params/head``, ``params/backbone`` and both percentages.

    Full-tuning's percentage is 100 by definition, under either count.
    """
    head = method.backbone.head
    head_size = 0 if head is None else sum(parameter.numel() for parameter in head.parameters())
    trainable = sum(parameter.numel() for parameter in method.trainable().values()) - head_size
    size, paper = method.backbone.size, paper_size(method.backbone)
    everything = trainable == size
    return {
        "params/trainable": trainable,
        "params/head": head_size,
        "params/backbone": size,
        "params/percent": 100 * trainable / size,
        "params/percent_paper": None if paper is None else 100.0 if everything else 100 * trainable / paper,
    }
