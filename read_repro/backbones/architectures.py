"""Where each architecture of transformers keeps its layers, norms and attentions: the one table of them.

Its keys are the ``model_type`` of a model's configuration; what its fields mean is said in
``read_repro.backbones.places``. A new architecture is one entry here, if it is built like one of the three kinds.
"""

from collections.abc import Iterable, Mapping

from read_repro.backbones.places import BERT_LAYERS, Architecture, Family, StackPlaces
from read_repro.errors import InputError
from read_repro.foreign import shown


def _encoder(
    *,
    layers: str,
    attention: str,
    final_norm: str = "",
    scores_on_request: bool = False,
    positions_after_padding: bool = False,
    parts: Mapping[str, str] = {},
) -> Architecture:
    return Architecture(
        kind="encoder",
        stacks={"encoder": StackPlaces(layers=layers, attention=attention, final_norm=final_norm)},
        pre_norm=bool(final_norm),
        scores_on_request=scores_on_request,
        positions_after_padding=positions_after_padding,
        parts=parts,
    )


def _decoder(*, layers: str, attention: str, final_norm: str, parts: Mapping[str, str]) -> Architecture:
    stacks = {"decoder": StackPlaces(layers=layers, attention=attention, final_norm=final_norm)}
    return Architecture(kind="decoder", stacks=stacks, pre_norm=True, parts=parts)


def _parts(*, attention: str, output: str, up: str, down: str, norms: str) -> dict[str, str]:
    """A layer's parts in BERT's words, told apart by blanks: query, key and value or one map for all three, what is
    behind attention, the feed-forward's maps up and down, and the two norms.
    """
    inner = zip(attention.split(), ("query", "key", "value"), strict=False)
    return {
        **{name: f"attention.self.{word}" for name, word in inner},
        output: "attention.output.dense",
        **dict.fromkeys(up.split(), "intermediate.dense"),
        down: "output.dense",
        **dict(zip(norms.split(), ("attention.output.LayerNorm", "output.LayerNorm"), strict=True)),
    }


def _t5_stack(name: str, cross_attention: str = "") -> StackPlaces:
    return StackPlaces(
        module=name,
        layers=f"{name}.block",
        attention="layer.0.SelfAttention",
        cross_attention=cross_attention,
        final_norm=f"{name}.final_layer_norm",
    )


_BERT = _encoder(layers=BERT_LAYERS, attention="attention.self")
_ROBERTA = _encoder(layers=BERT_LAYERS, attention="attention.self", positions_after_padding=True)
_DEBERTA = {f"attention.self.{name}_proj": f"attention.self.{name}" for name in ("query", "key", "value")}
_DISTIL = _parts(
    attention="attention.q_lin attention.k_lin attention.v_lin",
    output="attention.out_lin",
    up="ffn.lin1",
    down="ffn.lin2",
    norms="sa_layer_norm output_layer_norm",
)
_MODERN = _parts(attention="attn.Wqkv", output="attn.Wo", up="mlp.Wi", down="mlp.Wo", norms="attn_norm mlp_norm")
_T5 = Architecture(
    kind="encoder-decoder",
    stacks={"encoder": _t5_stack("encoder"), "decoder": _t5_stack("decoder", "layer.1.EncDecAttention")},
    pre_norm=True,
    biases_added=True,
)
_LLAMA = _decoder(
    layers="layers",
    attention="self_attn",
    final_norm="norm",
    parts=_parts(
        attention="self_attn.q_proj self_attn.k_proj self_attn.v_proj",
        output="self_attn.o_proj",
        up="mlp.gate_proj mlp.up_proj",
        down="mlp.down_proj",
        norms="input_layernorm post_attention_layernorm",
    ),
)
_GPT2 = _decoder(
    layers="h",
    attention="attn",
    final_norm="ln_f",
    parts=_parts(attention="attn.c_attn", output="attn.c_proj", up="mlp.c_fc", down="mlp.c_proj", norms="ln_1 ln_2"),
)
_NEOX = _decoder(
    layers="layers",
    attention="attention",
    final_norm="final_layer_norm",
    parts=_parts(
        attention="attention.query_key_value",
        output="attention.dense",
        up="mlp.dense_h_to_4h",
        down="mlp.dense_4h_to_h",
        norms="input_layernorm post_attention_layernorm",
    ),
)

ARCHITECTURES: Mapping[str, Architecture] = {
    "bert": _BERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "electra": _BERT,
    "deberta-v2": _encoder(layers=BERT_LAYERS, attention="attention.self", scores_on_request=True, parts=_DEBERTA),
    "distilbert": _encoder(layers="transformer.layer", attention="attention", parts=_DISTIL),
    "modernbert": _encoder(layers="layers", attention="attn", final_norm="final_norm", parts=_MODERN),
    "t5": _T5,  # 1.0, 1.1 and Flan
    "mt5": _T5,
    "llama": _LLAMA,  # SmolLM2, too
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "gpt2": _GPT2,
    "gpt_neox": _NEOX,  # Pythia
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
