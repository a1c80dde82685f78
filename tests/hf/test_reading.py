"""READ beside any model: it starts at the model, trains all that is its own and nothing else, keeps nothing of the
frozen layers for the backward pass, and is the READ of ``methods/read.py``."""

from copy import deepcopy
from inspect import signature
from typing import Any

import pytest
import torch
from tiny import backbone, batch, build
from torch import nn
from transformers import AlbertConfig, AutoModel
from wrapped import CAUSAL, FORMS, SEQ, TEXT, answer, base_of, inputs_for, loss_of, own_weights, wake, wrapped

from read_repro import ReadConfig, ReadModel, get_read_model
from read_repro.backbones.frozen_pass import Layer
from read_repro.errors import InputError
from read_repro.hf.pooled import PooledClassifier
from read_repro.measure.peak_memory import SavedForBackward
from read_repro.methods.read_side import SideRNN

ALBERT = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "embedding_size": 16, "vocab_size": 64}
over_forms = pytest.mark.parametrize(("model_type", "auto_class"), FORMS)
VARIANTS: list[dict[str, Any]] = [
    *({"cell": cell, "joiner": joiner} for cell in ("gru", "rnn", "lstm") for joiner in ("identity", "attention")),
    {"recurrent": False},
    {"aggregate": "mean", "norm": "learned", "output_scale": 0.5},
    {"readout_init": "default"},
]


@over_forms
def test_training_starts_at_the_model_itself_and_then_moves(model_type: str, auto_class: str) -> None:
    examples = inputs_for(model_type, auto_class)
    with torch.no_grad():
        own = answer(base_of(model_type, auto_class)(**examples))
        read = wrapped(model_type, auto_class, awake=False)
        assert torch.equal(answer(read(**examples)), own)
        assert not torch.allclose(answer(wake(read)(**examples)), own)
        with read.disable_adapter():
            assert torch.equal(answer(read(**examples)), own)


@over_forms
def test_every_weight_of_its_own_gets_a_gradient_and_the_base_stays(model_type: str, auto_class: str) -> None:
    read = wrapped(model_type, auto_class).train()
    assert not read.base.training
    before, originals = own_weights(read), deepcopy(read.originals.state_dict())
    loss_of(read(**inputs_for(model_type, auto_class))).backward()
    trained = {name: weight for name, weight in read.named_parameters() if weight.requires_grad}
    assert trained
    assert all(name.startswith("reads.default.") for name in trained)
    assert [name for name, weight in trained.items() if weight.grad is None or not weight.grad.any()] == []
    torch.optim.SGD(trained.values(), lr=0.1).step()
    assert all(torch.equal(weight, before[name]) for name, weight in own_weights(read).items())
    assert all(torch.equal(weight, originals[name]) for name, weight in read.originals.state_dict().items())


@pytest.mark.parametrize(
    ("model_type", "heads"),
    [
        ("bert", {"classifier"}),
        ("roberta", {"classifier"}),
        ("electra", {"classifier"}),
        ("distilbert", {"pre_classifier", "classifier"}),
        ("deberta-v2", {"pooler", "classifier"}),
        ("modernbert", {"head", "classifier"}),
        ("t5", {"classification_head"}),
        ("llama", {"score"}),
        ("gpt2", {"score"}),
    ],
)
def test_all_outside_the_base_model_trains(model_type: str, heads: set[str]) -> None:
    assert set(wrapped(model_type, SEQ).active.heads) == heads


@pytest.mark.parametrize(("model_type", "auto_class"), [("t5", TEXT), ("llama", CAUSAL), ("gpt2", CAUSAL)])
def test_an_output_layer_over_the_vocabulary_does_not(model_type: str, auto_class: str) -> None:
    for tied in (True, False):
        base = base_of(model_type, auto_class, tie_word_embeddings=tied)
        assert list(get_read_model(base, ReadConfig(hidden=8)).active.heads) == []


# ---- one implementation ------------------------------------------------------------------------------------


def as_method(kind: str, variant: dict[str, Any]) -> tuple[Any, ReadModel]:
    """The same READ twice: the method on its backbone, and beside the model of transformers that this is made of."""
    method = build("read", kind, hidden=5, **variant)
    own = backbone(kind)
    base = own.model
    if kind == "bert":
        base = PooledClassifier(own.model, pooling="mean", id2label={0: "a", 1: "b", 2: "c"})
        base.classifier.load_state_dict(own.head.state_dict())
    read = get_read_model(base, ReadConfig(hidden=5, **variant))
    read.active.side.load_state_dict(method.side.state_dict())
    if kind == "bert":
        read.active.heads["classifier"].load_state_dict(method.backbone.head.state_dict())
    return method, wake(read)


@pytest.mark.parametrize("kind", ["t5", "bert"])
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(map(str, v.values())))
def test_it_is_the_read_of_the_methods(kind: str, variant: dict[str, Any]) -> None:
    """Same logits, same loss, same gradients, from the same weights."""
    method, read = as_method(kind, variant)
    method.side.load_state_dict(read.active.side.state_dict())
    examples = batch(kind)
    given = {name: examples[name] for name in ("input_ids", "attention_mask")}
    output = read(**given, labels=examples["target_ids"] if kind == "t5" else examples["labels"])
    logits = method(examples)
    torch.testing.assert_close(output.logits, logits, rtol=1e-6, atol=1e-6)
    method.backbone.loss(logits, examples).backward()
    output.loss.backward()
    for name, weight in read.active.side.named_parameters():
        expected = dict(method.side.named_parameters())[name].grad
        if expected is None:
            assert weight.grad is None
            continue
        torch.testing.assert_close(weight.grad, expected, rtol=1e-4, atol=1e-6)
    if kind == "bert":
        torch.testing.assert_close(
            read.active.heads["classifier"].weight.grad, method.backbone.head.weight.grad, rtol=1e-5, atol=1e-7
        )


# ---- no graph of the frozen layers -------------------------------------------------------------------------


def saved_bytes(read: ReadModel, examples: dict[str, torch.Tensor]) -> float:
    read.train()
    with SavedForBackward(read.parameters()) as saved:
        output = read(**examples)
    output.loss.backward()
    return saved.saved_gib * 2**30


def side_bytes(side: SideRNN, layers: int, shape: tuple[int, int], correction: bool) -> float:
    """What the side network of a stack keeps by itself, over states that are there."""
    progress = side.start(torch.zeros(shape[0], 7, 32, requires_grad=True) if correction else None)
    with SavedForBackward(side.parameters()) as saved:
        for _ in range(layers):
            scores = torch.rand(*shape, 7) if correction else None
            side.step(progress, Layer(torch.randn(*shape, 32), None, scores))
        side.finish(progress)
    return saved.saved_gib * 2**30


@pytest.mark.parametrize(
    ("model_type", "auto_class", "depth"),
    [
        ("bert", SEQ, ("num_hidden_layers",)),
        ("modernbert", SEQ, ("num_hidden_layers",)),
        ("llama", CAUSAL, ("num_hidden_layers",)),
        ("gpt2", CAUSAL, ("n_layer",)),
        ("t5", TEXT, ("num_layers", "num_decoder_layers")),
    ],
)
def test_what_is_saved_for_backward_grows_by_the_side_network_alone(
    model_type: str, auto_class: str, depth: tuple[str, ...]
) -> None:
    """At 12 and at 24 layers: the difference is the side networks' own, to the byte."""
    saved, alone = {}, {}
    examples = inputs_for(model_type, auto_class)
    for layers in (12, 24):
        base = base_of(model_type, auto_class, **dict.fromkeys(depth, layers))
        read = get_read_model(base, ReadConfig(hidden=8))
        saved[layers] = saved_bytes(read, examples)
        alone[layers] = sum(
            side_bytes(side, layers, (3, 4 if name == "decoder" and len(read.active.side) > 1 else 7), last)
            for name, side in read.active.side.items()
            for last in [name == "decoder" and len(read.active.side) > 1]
        )
    assert saved[24] - saved[12] == pytest.approx(alone[24] - alone[12], abs=1)
    assert saved[24] < 2.2 * saved[12]


def test_the_same_model_in_full_saves_far_more() -> None:
    """The measure sees what it is to see: the same model, trained itself."""
    base, examples = base_of("llama", CAUSAL, num_hidden_layers=24), inputs_for("llama", CAUSAL)
    with SavedForBackward(base.parameters()) as saved:
        base(**examples)
    read = saved_bytes(get_read_model(deepcopy(base), ReadConfig(hidden=8)), examples)
    assert saved.saved_gib * 2**30 > 4 * read


# ---- what it looks like from outside -----------------------------------------------------------------------


@over_forms
def test_forward_has_the_signature_of_the_base(model_type: str, auto_class: str) -> None:
    read = wrapped(model_type, auto_class)
    assert signature(read.forward) == signature(read.base.forward)
    assert type(read).__name__ == f"Read{type(read.base).__name__}"
    assert isinstance(read, ReadModel)


def test_positional_arguments_are_the_bases() -> None:
    read, examples = wrapped("bert", SEQ), inputs_for("bert", SEQ)
    by_name = read(**examples)
    by_place = read(examples["input_ids"], examples["attention_mask"], labels=examples["labels"])
    assert torch.equal(by_name.logits, by_place.logits)
    assert torch.equal(by_name.loss, read(**examples, return_dict=False)[0])
    with pytest.raises(ValueError, match="longer"):
        read(*[None] * 30)


def test_half_precision_base_keeps_a_side_network_in_32_bit() -> None:
    for model_type, auto_class in (("bert", SEQ), ("llama", CAUSAL), ("t5", TEXT)):
        examples = inputs_for(model_type, auto_class)
        base = base_of(model_type, auto_class).to(torch.bfloat16)
        with torch.no_grad():
            own = answer(deepcopy(base)(**examples))
        read = get_read_model(base, ReadConfig(hidden=8)).train()
        assert {weight.dtype for weight in read.parameters() if weight.requires_grad} == {torch.float32}
        torch.testing.assert_close(answer(read(**examples)), own, check_dtype=False, rtol=2e-2, atol=2e-2)
        wake(read)(**examples).loss.backward()
        assert all(weight.grad is not None for weight in read.parameters() if weight.requires_grad)


def test_what_is_no_model_of_transformers_is_refused() -> None:
    with pytest.raises(InputError, match="Linear"):
        get_read_model(nn.Linear(2, 2))
    with pytest.raises(InputError, match="is not known"):
        get_read_model(AutoModel.from_config(AlbertConfig(**ALBERT)))
    base = base_of("llama", CAUSAL)
    base.gradient_checkpointing_enable()
    with pytest.raises(InputError, match="checkpoints its activations"):
        get_read_model(base)


def test_two_calls_at_once_are_refused_rather_than_mixed() -> None:
    read = wrapped("bert", SEQ)
    with read.reading(), pytest.raises(RuntimeError, match="one call at a time"):
        read(**inputs_for("bert", SEQ))
    read(**inputs_for("bert", SEQ))


def test_an_exception_in_a_call_leaves_no_hooks() -> None:
    read = wrapped("t5", TEXT)
    with pytest.raises(Exception, match=r".+"):
        read(input_ids=torch.full((1, 3), 10**6))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in read.base.modules())


def test_a_copy_is_a_model_of_its_own() -> None:
    read, examples = wrapped("roberta", SEQ), inputs_for("roberta", SEQ)
    copy = deepcopy(read)
    with torch.no_grad():
        before = read(**examples).logits
        for weight in copy.parameters():
            weight.zero_()
        assert torch.equal(read(**examples).logits, before)
        assert not torch.equal(copy(**examples).logits, before)
