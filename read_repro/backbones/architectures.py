"""Where each architecture of transformers keeps its layers, norms and attentions: the one table of them.

Its keys are the ``model_type`` of a model's configuration. All paths are dotted and start at the base model, which is
``model.base_model`` for every class of transformers that has a head on top, or at one of its layers.
A new architecture is one entry here, if it is built like one of the three kinds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from read_repro.errors import InputError
from read_repro.foreign import shown

Family = Literal["encoder", "encoder-decoder", "decoder"]


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

    def layers_of(self, base: Any) -> list[Any]:
        """The layers, in order."""
        return list(base.get_submodule(self.layers))

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
    """

    kind: Family
    stacks: Mapping[str, StackPlaces]
    pre_norm: bool
    scores_on_request: bool = False


def _encoder(*, pre_norm: bool = False, scores_on_request: bool = False, **places: str) -> Architecture:
    stacks = {"encoder": StackPlaces(**places)}
    return Architecture(kind="encoder", stacks=stacks, pre_norm=pre_norm, scores_on_request=scores_on_request)


def _decoder(**places: str) -> Architecture:
    return Architecture(kind="decoder", stacks={"decoder": StackPlaces(**places)}, pre_norm=True)


def _t5_stack(name: str, cross_attention: str = "") -> StackPlaces:
    return StackPlaces(
        module=name,
        layers=f"{name}.block",
        attention="layer.0.SelfAttention",
        cross_attention=cross_attention,
        final_norm=f"{name}.final_layer_norm",
    )


_BERT = _encoder(layers="encoder.layer", attention="attention.self")
_T5 = Architecture(
    kind="encoder-decoder",
    stacks={"encoder": _t5_stack("encoder"), "decoder": _t5_stack("decoder", "layer.1.EncDecAttention")},
    pre_norm=True,
)
_LLAMA = _decoder(layers="layers", attention="self_attn", final_norm="norm")

ARCHITECTURES: Mapping[str, Architecture] = {
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "camembert": _BERT,
    "electra": _BERT,
    "deberta-v2": _encoder(layers="encoder.layer", attention="attention.self", scores_on_request=True),
    "distilbert": _encoder(layers="transformer.layer", attention="attention"),
    "modernbert": _encoder(layers="layers", attention="attn", final_norm="final_norm", pre_norm=True),
    "t5": _T5,  # 1.0, 1.1 and Flan
    "mt5": _T5,
    "llama": _LLAMA,  # SmolLM2, too
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "gpt2": _decoder(layers="h", attention="attn", final_norm="ln_f"),
    "gpt_neox": _decoder(layers="layers", attention="attention", final_norm="final_layer_norm"),  # Pythia
}


def architecture_of(model_type: object) -> Architecture:
    """What the table says of an architecture.

    Args:
        model_type: of a model's configuration.

    Raises:
        InputError: the table has no such architecture.
    """
    if isinstance(model_type, str) and model_type in ARCHITECTURES:
        return ARCHITECTURES[model_type]
    raise InputError(
        f"model_type={shown(model_type)}: where this architecture keeps its layers is not known; known are "
        f"{', '.join(ARCHITECTURES)} (read_repro/backbones/architectures.py)"
    )


def of_kind(*kinds: Family) -> Iterable[str]:
    """The architectures of some kinds, by their ``model_type``."""
    return [name for name, architecture in ARCHITECTURES.items() if architecture.kind in kinds]
