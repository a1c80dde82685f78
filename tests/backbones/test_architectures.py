"""The table of architectures says the truth of transformers' own classes."""

from typing import Any

import families
import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification

from read_repro.backbones.architectures import ARCHITECTURES, architecture_of
from read_repro.errors import InputError

OVER_ALL = pytest.mark.parametrize("model_type", list(ARCHITECTURES))
HEADS = {
    "encoder": [AutoModelForSequenceClassification],
    "encoder-decoder": [AutoModelForSeq2SeqLM, AutoModelForSequenceClassification],
    "decoder": [AutoModelForCausalLM, AutoModelForSequenceClassification],
}


def run(base: Any, kind: str, **options: Any) -> Any:
    ids = torch.arange(5, 12)[None].repeat(2, 1)
    more = {"decoder_input_ids": ids[:, :4]} if kind == "encoder-decoder" else {"use_cache": False}
    if kind == "encoder":
        more = {}
    with torch.no_grad():
        return base(input_ids=ids, **more, **options)


def test_every_entry_has_a_tiny_model() -> None:
    assert families.SIZES.keys() == ARCHITECTURES.keys()


@OVER_ALL
def test_the_layers_are_all_layers_and_run_in_order(model_type: str) -> None:
    architecture, base = ARCHITECTURES[model_type], families.model(model_type, AutoModel)
    for places in architecture.stacks.values():
        ran: list[int] = []
        layers = places.layers_of(base)
        for number, layer in enumerate(layers):
            layer.register_forward_hook(lambda *_, number=number, ran=ran: ran.append(number))
        run(base, architecture.kind)
        assert ran == list(range(families.LAYERS))


@OVER_ALL
def test_layers_and_final_norm_are_the_hidden_states_of_transformers(model_type: str) -> None:
    architecture, base = ARCHITECTURES[model_type], families.model(model_type, AutoModel)
    for name, places in architecture.stacks.items():
        raw: list[torch.Tensor] = []
        normed: list[torch.Tensor] = []
        hooks = [
            layer.register_forward_hook(
                lambda _m, _a, out, raw=raw: raw.append(out[0] if isinstance(out, tuple) else out)
            )
            for layer in places.layers_of(base)
        ]
        norm = places.final_norm_of(base)
        assert (norm is not None) == architecture.pre_norm
        if norm is not None:
            hooks.append(norm.register_forward_hook(lambda _m, _a, out, normed=normed: normed.append(out)))
        outputs = run(base, architecture.kind, output_hidden_states=True)
        prefix = f"{name}_" if architecture.kind == "encoder-decoder" else ""
        theirs = outputs[f"{prefix}hidden_states"]
        last = outputs["encoder_last_hidden_state" if prefix == "encoder_" else "last_hidden_state"]
        for own, other in zip(raw[:-1], theirs[1:-1], strict=True):
            torch.testing.assert_close(own, other, rtol=0, atol=0)
        torch.testing.assert_close(normed[0] if normed else raw[-1], last, rtol=0, atol=0)
        for hook in hooks:
            hook.remove()


@OVER_ALL
def test_attentions_return_their_scores_last(model_type: str) -> None:
    architecture, base = ARCHITECTURES[model_type], families.model(model_type, AutoModel)
    for name, places in architecture.stacks.items():
        for cross in (False, True):
            found: list[torch.Tensor] = []
            modules = places.attentions_of(base, cross=cross)
            assert len(modules) == (families.LAYERS if not cross or places.cross_attention else 0)
            hooks = [m.register_forward_hook(lambda _m, _a, out, found=found: found.append(out[-1])) for m in modules]
            run(base, architecture.kind, **({"output_attentions": True} if architecture.scores_on_request else {}))
            written = 4 if name == "decoder" and architecture.kind == "encoder-decoder" else 7
            for scores in found:
                assert scores.shape == (2, 4, written, 7 if cross else written)
                torch.testing.assert_close(scores.sum(dim=-1), torch.ones(2, 4, written))
            assert len(found) == len(modules)
            for hook in hooks:
                hook.remove()


@OVER_ALL
def test_the_same_paths_hold_below_every_head(model_type: str) -> None:
    architecture = ARCHITECTURES[model_type]
    for head in HEADS[architecture.kind]:
        base = families.model(model_type, head).base_model
        for places in architecture.stacks.values():
            assert len(places.layers_of(base)) == families.LAYERS
            assert places.stack_of(base) is not None
            assert (places.final_norm_of(base) is None) == (not architecture.pre_norm)


def test_an_unknown_architecture_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InputError, match=r"model_type='albert'.*known are bert, roberta"):
        architecture_of("albert")
