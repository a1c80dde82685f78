"""Every method on every family of backbones: what trains, where gradients arrive, what stays, and what is refused.

``docs/backbones.md`` is made of these cases; a test holds the two together.
"""

import re
from typing import Any

import families
import pytest
import torch
from families import FAMILIES, backbone, batch, build, transformer
from places import ROOT
from tiny import largest_gradients
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification

from read_repro.backbones.architectures import ARCHITECTURES
from read_repro.errors import InputError
from read_repro.methods.base import Method
from read_repro.training.weights import load_trainable, save_trainable

METHODS = ("read", "head", "full", "lora", "adapter", "prompt", "bitfit", "lst")
BIASED = {"bert", "roberta", "xlm-roberta", "camembert", "electra", "deberta-v2", "distilbert", "qwen2", "gpt2",
          "gpt_neox", "t5", "mt5"}  # fmt: skip
HAS_LST = {"bert", "t5"}


def refused(method: str, family: str) -> str | None:
    """Why a method is refused on a family, as a part of its one line; None where it works."""
    name = FAMILIES[family]
    if method == "head" and backbone(family).head is None:
        return "this backbone has none"
    if method == "bitfit" and name not in BIASED:
        return f"{name} has none at"
    if method == "lst" and name not in HAS_LST:
        return f"not for {name}"
    return None


CASES = [(method, family) for family in FAMILIES for method in METHODS]
WORKS = [case for case in CASES if refused(*case) is None]
over_all = pytest.mark.parametrize(("method", "family"), WORKS)


def made(method: str, family: str) -> Method:
    if method != "lst":
        return build(method, family)
    own = build(method, family, init="magnitude")
    own.initialise(lambda: ())
    return own


def kind_of(family: str) -> str:
    return ARCHITECTURES[FAMILIES[family]].kind


def own_logits(family: str, head: nn.Linear | None, examples: dict[str, Tensor]) -> Tensor:
    """What transformers itself says of a batch: its own classes, called as anyone would call them."""
    plain, kind = transformer(family), kind_of(family)
    inputs = {name: examples[name] for name in ("input_ids", "attention_mask")}
    if kind == "encoder-decoder":
        return plain(**inputs, labels=examples["target_ids"]).logits
    if kind == "encoder":
        state = plain(**inputs).last_hidden_state
        mask = inputs["attention_mask"][:, :, None]
        return head(state[:, 0] if family.endswith("-cls") else (state * mask).sum(dim=1) / mask.sum(dim=1))
    if head is not None:
        plain.config.num_labels = 3
        own = AutoModelForSequenceClassification.from_config(plain.config).eval()
        own.base_model.load_state_dict(plain.base_model.state_dict())
        own.score.weight = head.weight
        return own(**inputs).logits + head.bias
    rows = []
    for row, mask in enumerate(inputs["attention_mask"]):  # the answer right behind each row's own prompt
        prompt, target = inputs["input_ids"][row, : mask.sum()], examples["target_ids"][row]
        ids = torch.cat([prompt, target[:-1].clamp(min=0)])
        rows.append(plain(input_ids=ids[None]).logits[0, len(prompt) - 1 :])
    return torch.stack(rows)


@over_all
def test_exactly_the_methods_own_weights_train(method: str, family: str) -> None:
    patterns = {
        "read": r"side\..*", "head": r"(?!)", "full": r"backbone\.model\..*", "lora": r".*\.lora_[AB]\..*",
        "adapter": r"adapters\..*", "prompt": "prompt", "bitfit": r"backbone\.model\..*bias", "lst": r"(side|up)\..*",
    }  # fmt: skip
    own = made(method, family)
    names = {name for name in own.trainable() if not name.startswith("backbone.head.")}
    assert all(re.fullmatch(patterns[method], name) for name in names)
    assert bool(names) == (method != "head")
    assert ("backbone.head.weight" in own.trainable()) == (own.backbone.head is not None)


@over_all
def test_places_are_found_in_every_layer(method: str, family: str) -> None:
    """A pattern in BERT's words must find what it means in each layer, and as often as in BERT."""
    own, stacks = made(method, family), len(ARCHITECTURES[FAMILIES[family]].stacks)
    if method == "adapter":
        assert len(own.adapters) == families.LAYERS * stacks
    if method == "lora":
        adapted = {name.rpartition(".lora_A")[0] for name in own.trainable() if ".lora_A" in name}
        fused = {"modernbert": 2, "gpt2": 2, "gpt_neox": 2}.get(FAMILIES[family], 4)
        assert len(adapted) == families.LAYERS * stacks * fused


@over_all
def test_a_gradient_reaches_what_trains_and_nothing_frozen_moves(method: str, family: str) -> None:
    own = made(method, family)
    frozen = {name: w.clone() for name, w in own.named_parameters() if not w.requires_grad}
    largest = largest_gradients(own, lambda step: batch(family, seed=step))
    floor = 1e-7 * max(largest.values())
    without = {name for name, value in largest.items() if value <= floor}
    ignored = r".*(k|key|k_lin|key_proj|k_proj)\.bias"  # softmax ignores what moves all of a query's scores alike
    assert {name for name in without if not re.fullmatch(ignored, name)} == set()
    assert all(torch.equal(frozen[name], w) for name, w in own.named_parameters() if name in frozen)


@pytest.mark.parametrize(("method", "family"), [case for case in WORKS if case[0] not in ("prompt", "lst")])
def test_step_0_is_what_transformers_itself_says(method: str, family: str) -> None:
    own, examples = made(method, family), batch(family)
    with torch.no_grad():
        ours, theirs = own(examples), own_logits(family, own.backbone.head, examples)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@over_all
def test_saved_and_loaded_it_is_the_same(method: str, family: str, tmp_path: Any) -> None:
    trained, fresh, examples = made(method, family), made(method, family), batch(family)
    optimizer = trained.configure_optimizers()["optimizer"]
    trained.backbone.loss(trained(examples), examples).backward()
    optimizer.step()
    save_trainable(trained, tmp_path / "weights.safetensors")
    load_trainable(fresh, tmp_path / "weights.safetensors")
    with torch.no_grad():
        torch.testing.assert_close(fresh(examples), trained(examples), rtol=0, atol=0)


@over_all
def test_padding_and_neighbours_change_no_answer(method: str, family: str) -> None:
    own, examples = made(method, family), batch(family)
    with torch.no_grad():
        together, predicted = own(examples), own.predict(examples)
        for row in range(0, len(together), 2):
            length = int(examples["attention_mask"][row].sum())
            alone = {key: value[row : row + 1] for key, value in examples.items()}
            alone |= {key: alone[key][:, :length] for key in ("input_ids", "attention_mask")}
            counts = examples["target_ids"][row] >= 0 if "target_ids" in examples else slice(None)
            torch.testing.assert_close(own(alone)[0][counts], together[row][counts], rtol=1e-3, atol=1e-4)
            assert own.predict(alone) == predicted[row]
    assert set(predicted.tolist()) <= {0, 1, 2}


@pytest.mark.parametrize(("method", "family"), [case for case in CASES if case not in WORKS])
def test_what_does_not_work_is_refused_in_one_line(method: str, family: str) -> None:
    with pytest.raises(InputError, match=refused(method, family)) as error:
        made(method, family)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_attention_joiner_runs_on_every_family(family: str) -> None:
    own, examples = build("read", family, joiner="attention"), batch(family)
    with torch.no_grad():
        theirs = own_logits(family, own.backbone.head, examples)
    logits = own(examples)
    torch.testing.assert_close(logits, theirs, rtol=1e-4, atol=1e-5)
    own.backbone.loss(logits, examples).backward()
    assert all(weight.grad is not None for weight in own.trainable().values())


def test_the_table_in_the_docs_is_what_was_tested() -> None:
    text = (ROOT / "docs" / "backbones.md").read_text(encoding="utf-8")
    for family in FAMILIES:
        cells = ["yes" if (method, family) in WORKS else "no" for method in METHODS]
        assert f"| {family} | {' | '.join(cells)} |" in text, (family, cells)


def narrowed(method: str, family: str) -> Method:
    """A method on the family's transformer in 16 bit."""
    plain = families.transformer(family).to(torch.bfloat16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(families, "transformer", lambda _: plain)
        return made(method, family)


@pytest.mark.parametrize(("method", "family"), [case for case in WORKS if case[0] in ("read", "head", "lst")])
def test_beside_16_bit_weights_all_that_trains_is_in_32_bit(method: str, family: str) -> None:
    own, examples = narrowed(method, family), batch(family)
    assert {w.dtype for w in own.trainable().values()} == {torch.float32}
    assert {w.dtype for w in own.backbone.model.parameters()} == {torch.bfloat16}
    logits = own(examples)
    assert logits.dtype == torch.float32
    own.backbone.loss(logits, examples).backward()
    assert all(w.grad is not None and torch.isfinite(w.grad).all() for w in own.trainable().values())
    with torch.no_grad():
        wide = own_logits(family, own.backbone.head, examples) if method != "lst" else logits
    counts = examples["target_ids"] >= 0 if "target_ids" in examples else slice(None)
    near = (logits[counts] - wide[counts]).abs().max() / wide[counts].abs().max()
    assert near < 0.2


@pytest.mark.parametrize("family", ["bert", "t5"])
def test_lst_is_pruned_from_16_bit_weights_by_importances_in_32_bit(family: str) -> None:
    plain = families.transformer(family).to(torch.bfloat16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(families, "transformer", lambda _: plain)
        own = build("lst", family, samples=2)
    importance = own.importance(lambda: (batch(family, rows=1, seed=seed) for seed in range(2)))
    assert {value.dtype for value in importance.values()} == {torch.float32}
    assert own.initialise(lambda: (batch(family, rows=1, seed=seed) for seed in range(2))).keys() == {"init/time_s"}
    assert torch.isfinite(own(batch(family))).all()
