"""What has to be known of an architecture of transformers: its kind, and where its stacks keep their parts.

All paths are dotted and start at the base model, which is ``model.base_model`` for every class of transformers that has
a head on top, or at one of its layers.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Family = Literal["encoder", "encoder-decoder", "decoder"]
BERT_LAYERS = "encoder.layer"


@dataclass(frozen=True, kw_only=True)
class StackPlaces:
    """Where one stack of transformer layers is.

    Args:
        layers: the list of its layers, from the base model.
        attention: the self-attention, from a layer; the last item of what it returns is the scores (B, heads, T, S),
            where attention is computed step by step (``set_attn_implementation("eager")``).
        cross_attention: the attention to the encoder's states, from a layer; empty where there is none.
        final_norm: what normalises the last layer's output, from the base model; empty where nothing does, because
            each layer ends with a norm.
        module: the stack itself, from the base model; empty where the base model is the stack.
    """

    layers: str
    attention: str
    cross_attention: str = ""
    final_norm: str = ""
    module: str = ""

    def stack_of(self, base: Any) -> Any:
        """The module that runs the stack."""
        return base.get_submodule(self.module)

    def layers_of(self, base: Any) -> Any:
        """The list of layers, in order."""
        return base.get_submodule(self.layers)

    def attentions_of(self, base: Any, *, cross: bool = False) -> list[Any]:
        """The self- (or cross-) attentions of the layers, in order; none where the stack has no such attention."""
        place = self.cross_attention if cross else self.attention
        return [layer.get_submodule(place) for layer in self.layers_of(base)] if place else []

    def final_norm_of(self, base: Any) -> Any | None:
        """The norm behind the last layer, if there is one."""
        return base.get_submodule(self.final_norm) if self.final_norm else None


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What has to be known of an architecture before something can be put beside it or into it.

    Args:
        kind: an encoder answers by a task head, an encoder-decoder in text, a decoder in either way.
        stacks: ``encoder`` and ``decoder``, in the order in which they run.
        pre_norm: whether the norms are inside a layer's branches, so that a layer's output is the raw residual stream,
            which grows from layer to layer, and a final norm follows the last one.
        scores_on_request: whether attentions return their scores only where the configuration's ``output_attentions``
            is set, besides computing step by step.
        biases_added: whether a method that trains biases adds those that are missing, as papers do it on T5.
        positions_after_padding: whether the first token's position is the padding's id plus one, so that so many of
            ``max_position_embeddings`` serve no token.
        parts: a layer's modules by their own names -> what BERT calls the part that does the same; see ``alias``.
    """

    kind: Family
    stacks: Mapping[str, StackPlaces]
    pre_norm: bool
    scores_on_request: bool = False
    biases_added: bool = False
    positions_after_padding: bool = False
    parts: Mapping[str, str] = field(default_factory=dict)

    def alias(self, name: str) -> str:
        """What BERT would call a module, by its name from the base model; a name that BERT has no word for stays.

        So that a method's file under ``conf/`` names its places once, in BERT's words, for all that is built alike.
        The final norm counts to the pile of layers, which BERT, having none, calls ``encoder.layer``.
        """
        for places in self.stacks.values() if self.parts else ():
            if name == places.final_norm:
                return f"{BERT_LAYERS}.last.LayerNorm"
            if found := re.fullmatch(rf"{re.escape(places.layers)}\.(\d+)(?:\.(.+))?", name):
                number, part = found.groups()
                return ".".join(filter(None, (BERT_LAYERS, number, self.parts.get(part or "", part))))
        return name
