"""LST's side network of one stack: narrow blocks of the backbone's own architecture, with ladders between.

As in its authors' code a side block runs right after its backbone block when nothing is trained, so that no backbone
state outlives the next one.

The equations are in ``read_repro.methods.lst``. Letters: B batch, T tokens of the stack, S source tokens, D width, d
side width, N layers. Layers count from 0 here, as in the code of a backbone: block i writes state i + 1.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.masking_utils import create_bidirectional_mask, create_causal_mask
from transformers.models.bert.modeling_bert import BertLayer
from transformers.models.t5.modeling_t5 import T5Block, T5LayerFF, T5LayerNorm, T5LayerSelfAttention

from read_repro.backbones.backbone import Backbone
from read_repro.backbones.frozen_pass import Layer
from read_repro.errors import InputError
from read_repro.methods.lst_pruning import Importance, Kept, Step, choose, transplant, weight_of


@dataclass
class Climb:
    """How far a `SideStack` has come along the layers of a batch.

    ``mask`` (B, S) is the source's, ``encoder`` (B, S, d), in the decoder, the encoder's side output, and ``side``
    (B, T, d) the side state. All blocks share ``own`` and ``cross``, attention's masks, and ``position``, T5's bias.
    """

    mask: Tensor
    encoder: Tensor | None = None
    layers: int = 0
    side: Tensor | None = None
    own: Any = None
    cross: Any = None
    position: Tensor | None = None


class SideStack(nn.Module, ABC):
    """The layers of a frozen pass, phi_0 first, one by one -> (B, T, d).

    ``start``, then ``step`` with each layer in order, then ``finish``.

    Args:
        config: the stack's own; those of its ``sizes`` are divided by ``reduction``.
        reduction: D / d, rounded down.
        kept: the layers that have a side block, ascending.
        temperature: of the gates.
    """

    sizes: tuple[str, ...]  # names in the configuration, the width first
    dropout: nn.Dropout

    def __init__(
        self, config: Any, *, width: int, depth: int, reduction: int, kept: Sequence[int], temperature: float
    ) -> None:
        super().__init__()
        self.config = deepcopy(config)
        for size in self.sizes:
            setattr(self.config, size, getattr(config, size) // reduction)
        self.temperature, self.width = temperature, getattr(self.config, self.sizes[0])
        self.first = nn.Linear(width, self.width)
        self.down = nn.ModuleDict({str(layer): nn.Linear(width, self.width) for layer in kept})
        self.gates = nn.ParameterList(nn.Parameter(torch.zeros(())) for _ in range(depth))
        self.blocks = nn.ModuleDict()

    @staticmethod
    @abstractmethod
    def steps(block: Any) -> list[Step]:
        """A block's modules in the order of the data, as ``read_repro.methods.lst_pruning`` wants them."""

    @abstractmethod
    def attend(self, climb: Climb, side: Tensor) -> None:
        """Make the attention masks that all blocks share, for the side state (B, T, d) before the first."""

    @abstractmethod
    def block(self, climb: Climb, block: nn.Module, x: Tensor) -> Tensor:
        """One side block, (B, T, d) -> (B, T, d)."""

    @abstractmethod
    def finish(self, climb: Climb) -> Tensor:
        """Behind the last layer: (B, T, d)."""

    def start(self, mask: Tensor, encoder: Tensor | None = None) -> Climb:
        """Before the first layer; the arguments are `Climb`'s."""
        return Climb(mask, encoder)

    def step(self, climb: Climb, layer: Layer) -> None:
        """Take phi_0, or one layer."""
        if climb.side is None:
            climb.side = self.first(self.dropout(layer.hidden))
            self.attend(climb, climb.side)
            return
        name, climb.layers = str(climb.layers), climb.layers + 1
        if name in self.blocks:
            x = self.ladder(name, climb.side, layer.hidden)
            climb.side = self.block(climb, self.blocks[name], x)

    def ladder(self, layer: str, side: Tensor, hidden: Tensor) -> Tensor:
        """What a side block reads, (B, T, d): the side state, mixed with the output of its own backbone block."""
        mu = torch.sigmoid(self.gates[int(layer)] / self.temperature)
        return mu * side + (1 - mu) * self.down[layer](hidden)

    def prune(self, backbone: Backbone, stack: str, importance: Importance, stream: Tensor, order: str) -> Tensor:
        """Fill the blocks from the backbone's, also walking over dropped ones; returns what is kept behind the last.

        ``stream`` is what is kept before the first, ``order`` how kept dimensions stand; see
        ``read_repro.methods.lst_pruning``.
        """
        sizes = [len(weight_of(step[0])) for step in self.steps(next(iter(self.blocks.values())))]
        for layer, block in enumerate(backbone.layers(stack)):
            kept = choose(self.steps(block), sizes, importance, stream, order)
            stream = kept[-1].rows
            if str(layer) in self.blocks:
                transplant(self.steps(block), self.steps(self.blocks[str(layer)]), kept)
        return stream


class T5Side(SideStack):
    """A pile of stock T5 blocks; the first has the relative position table that all share, as in T5."""

    sizes = ("d_model", "d_ff", "d_kv")

    def __init__(self, config: Any, *, kept: Sequence[int], **settings: Any) -> None:
        super().__init__(config, kept=kept, **settings)
        for place, layer in enumerate(kept):
            self.blocks[str(layer)] = T5Block(self.config, has_relative_attention_bias=place == 0, layer_idx=place)
        self.norm = T5LayerNorm(self.width, eps=config.layer_norm_epsilon)
        self.dropout = nn.Dropout(config.dropout_rate)

    @staticmethod
    def steps(block: Any) -> list[Step]:
        found: list[Step] = []
        for layer in block.layer:
            found.append((layer.layer_norm,))
            if isinstance(layer, T5LayerFF):
                inner = layer.DenseReluDense
                wi = tuple(linear for name, linear in inner.named_children() if name.startswith("wi"))  # two if gated
                found += [wi, (inner.wo,)]
            else:
                place = layer.SelfAttention if isinstance(layer, T5LayerSelfAttention) else layer.EncDecAttention
                found += [(place.q, place.k, place.v), (place.o,)]
        return found

    def attend(self, climb: Climb, side: Tensor) -> None:
        if climb.encoder is None:
            climb.own = create_bidirectional_mask(self.config, side, climb.mask)
        else:
            climb.own = create_causal_mask(self.config, side, None, None)
            climb.cross = create_bidirectional_mask(self.config, side, climb.mask, encoder_hidden_states=climb.encoder)

    def block(self, climb: Climb, block: nn.Module, x: Tensor) -> Tensor:
        side, climb.position, _ = block(
            x,
            attention_mask=climb.own,
            position_bias=climb.position,
            encoder_hidden_states=climb.encoder,
            encoder_attention_mask=climb.cross,
        )
        return side

    def finish(self, climb: Climb) -> Tensor:
        return self.dropout(self.norm(climb.side))

    def prune(self, backbone: Backbone, stack: str, importance: Importance, stream: Tensor, order: str) -> Tensor:
        stream = super().prune(backbone, stack, importance, stream, order)
        wide: Any = backbone.stack(stack)
        transplant([(wide.final_layer_norm,)], [(self.norm,)], [Kept(stream)])
        ends: tuple[Any, Any] = (next(iter(self.blocks.values())), backbone.layers(stack)[0])
        table, source = (block.layer[0].SelfAttention.relative_attention_bias for block in ends)
        table.load_state_dict(source.state_dict())  # one number a head, and the heads stay
        return stream


class BertSide(SideStack):
    """A pile of stock BERT blocks, with as many heads as the backbone, or the most below that which divide d."""

    sizes = ("hidden_size", "intermediate_size")

    def __init__(self, config: Any, *, kept: Sequence[int], **settings: Any) -> None:
        super().__init__(config, kept=kept, **settings)
        fitting = [heads for heads in range(1, config.num_attention_heads + 1) if self.width % heads == 0]
        self.config.num_attention_heads = fitting[-1]
        self.blocks.update({str(layer): BertLayer(self.config) for layer in kept})
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    @staticmethod
    def steps(block: Any) -> list[Step]:
        attention, after = block.attention.self, block.attention.output
        return [
            (attention.query, attention.key, attention.value),
            (after.dense,),
            (after.LayerNorm,),
            (block.intermediate.dense,),
            (block.output.dense,),
            (block.output.LayerNorm,),
        ]

    def attend(self, climb: Climb, side: Tensor) -> None:
        climb.own = create_bidirectional_mask(self.config, side, climb.mask)

    def block(self, climb: Climb, block: nn.Module, x: Tensor) -> Tensor:
        return block(x, climb.own)

    def finish(self, climb: Climb) -> Tensor:
        return self.dropout(climb.side)  # each block ends in a norm, so no other follows


SIDES: dict[str, type[SideStack]] = {"t5": T5Side, "bert": BertSide}  # what has been pruned and tried


def side_of(model_type: str) -> type[SideStack]:
    """The side stack of an architecture.

    Raises:
        InputError: there is none, because its blocks would have to be cut down and joined in a way of their own.
    """
    if model_type not in SIDES:
        raise InputError(
            f"method=lst: its side network is a pruned copy of the backbone's own blocks, which is written for "
            f"{' and '.join(SIDES)} alone, not for {model_type}: choose method=read, or another method"
        )
    return SIDES[model_type]
