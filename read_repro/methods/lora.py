"""LoRA: Low-Rank Adaptation of Large Language Models (Hu et al., 2021, arXiv 2106.09685); a baseline of READ's
section 3.1.

    y = W x + (alpha / r) B A x,     A: r x inputs, random;  B: outputs x r, zero at the start

with W frozen, through peft. READ's 0.48% of T5-base is rank 8 on q, k, v and o of self-attention in both stacks. For
inference B A is folded into W, so that its latency is the backbone's. What LST's authors call LoRA (q and v of every
attention, rank 32) also trains every bias of their BitFit and T5's two tables of relative positions.
"""

import re
from collections.abc import Sequence

from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn

from read_repro.backbones.backbone import Backbone
from read_repro.errors import InputError
from read_repro.methods.base import Method, Optimisation, Score
from read_repro.methods.module_patterns import MAPS, matching, one_pattern, train_biases

VERSION = 1  # raised when the numbers of this method change, so that no older record counts as done

RELATIVE_POSITIONS = "relative_attention_bias.weight"


class LoRA(Method):
    """Train a low-rank addition to chosen weights.

    Args:
        rank: r (section 3.3: 8 or 32). alpha: the addition's scale is alpha / r.
        dropout: of the addition's input, in training.
        targets: regular expressions of the names of the linear maps that are adapted.
        biases: regular expressions of the names of those whose biases train too (LST's authors); may be empty.
        relative_positions: whether T5's tables of relative positions train too (LST's authors).

    Raises:
        InputError: a value that does not exist, or names that the backbone has not.
    """

    def __init__(
        self,
        backbone: Backbone,
        optimisation: Optimisation,
        score: Score,
        *,
        rank: int,
        alpha: int,
        dropout: float,
        targets: Sequence[str],
        biases: Sequence[str],
        relative_positions: bool,
    ) -> None:
        if rank < 1:
            raise InputError(f"method.rank={rank}: at least 1 is needed (the paper: 8 or 32)")
        if not 0 <= dropout < 1:
            raise InputError(f"method.dropout={dropout}: a share from 0 to below 1 is needed")
        super().__init__(backbone, optimisation, score)
        model = backbone.model
        adapted = matching(model, targets)
        if odd := [name for name, module in adapted.items() if not isinstance(module, MAPS)]:
            raise InputError(f"method.targets matches {odd[0]}, which is no linear map: name linear maps only")
        also = train_biases(model, biases) if biases else []
        if relative_positions:
            also += [weight for name, weight in model.named_parameters() if name.endswith(RELATIVE_POSITIONS)]
        settings = LoraConfig(
            r=rank,
            lora_alpha=alpha,
            lora_dropout=dropout,
            target_modules=one_pattern(map(re.escape, adapted)),
            fan_in_fan_out=not all(isinstance(module, nn.Linear) for module in adapted.values()),
        )
        inject_adapter_in_model(settings, model)  # freezes whatever is not its own
        for weight in also:
            weight.requires_grad_(True)

    def merge(self) -> None:
        """W becomes W + (alpha / r) B A, in place; the additions are gone."""
        adapted = [(name, module) for name, module in self.named_modules() if isinstance(module, LoraLayer)]
        for name, module in adapted:
            module.merge()
            parent, _, own_name = name.rpartition(".")
            setattr(self.get_submodule(parent), own_name, module.get_base_layer())
