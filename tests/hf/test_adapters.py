"""Several READs on one model, switched, put off and counted, by the names that peft has for it."""

import pytest
import torch
from torch import nn
from wrapped import CAUSAL, SEQ, TEXT, base_of, inputs_for, wake, wrapped

from read_repro import ReadConfig, get_read_model
from read_repro.errors import InputError


def test_two_reads_on_one_model_each_with_its_own_head() -> None:
    read, examples = wrapped("bert", SEQ), inputs_for("bert", SEQ)
    with torch.no_grad():
        first = read(**examples).logits
        read.add_adapter("other", ReadConfig(hidden=4, cell="lstm"))
        assert torch.equal(read(**examples).logits, first), "adding one changes nothing"
        read.set_adapter("other")
        wake(read)
        read.active.heads["classifier"].weight.normal_()
        second = read(**examples).logits
        assert not torch.allclose(second, first)
        read.set_adapter("default")
        assert torch.equal(read(**examples).logits, first)
    assert {name for name, weight in read.named_parameters() if weight.requires_grad and "other" in name} == set()
    read(**examples).loss.backward()
    assert all(weight.grad is None for weight in read.reads["other"].parameters())
    with pytest.raises(InputError, match="is the active one"):
        read.delete_adapter("default")
    read.delete_adapter("other")
    assert list(read.reads) == ["default"]


def test_names_that_cannot_be() -> None:
    read = wrapped("bert", SEQ)
    for name in ("default", "a b", "", "train"):
        with pytest.raises(InputError, match="give a new name"):
            read.add_adapter(name, ReadConfig(hidden=4))
    with pytest.raises(InputError, match="there are default"):
        read.set_adapter("absent")


@pytest.mark.parametrize(("model_type", "auto_class"), [("bert", SEQ), ("t5", TEXT), ("llama", CAUSAL)])
def test_switched_off_it_is_the_model_as_it_came(model_type: str, auto_class: str) -> None:
    read, examples = wrapped(model_type, auto_class), inputs_for(model_type, auto_class)
    with torch.no_grad():
        for head in read.active.heads.values():
            for weight in head.parameters():
                weight.zero_()
        on = read(**examples).logits
        with read.disable_adapter():
            off = read(**examples).logits
            with read.disable_adapter():
                assert torch.equal(read(**examples).logits, off)
            assert torch.equal(read(**examples).logits, off)
        assert torch.equal(read(**examples).logits, on)
        assert torch.equal(read.unload()(**examples).logits, off)
    assert not torch.equal(on, off)


def test_merging_is_refused_with_its_reason() -> None:
    with pytest.raises(InputError, match="no change of the layers' weights computes the same"):
        wrapped("bert", SEQ).merge_and_unload()


def test_the_counts_are_those_of_the_parts(capsys: pytest.CaptureFixture[str]) -> None:
    read = wrapped("bert", SEQ)
    width, hidden, classes = 32, 8, 3
    cell = 3 * hidden * (width + hidden + 2)
    trained = cell + width * (hidden + 1) + classes * (width + 1)
    body = sum(weight.numel() for weight in read.base.bert.parameters())
    assert read.get_nb_trainable_parameters() == (trained, trained + body)
    read.print_trainable_parameters()
    percent = f"{100 * trained / (trained + body):.4f}"
    assert capsys.readouterr().out == (
        f"trainable params: {trained:,} || all params: {trained + body:,} || trainable%: {percent}\n"
    )


def test_a_state_is_what_was_trained_and_nothing_of_the_model() -> None:
    read = wrapped("bert", SEQ)
    state = read.state_dict()
    assert set(state) == {name for name, weight in read.named_parameters() if weight.requires_grad}
    nested = nn.ModuleDict({"inner": read}).state_dict()
    assert set(nested) == {f"inner.{name}" for name in state}
    other = wrapped("bert", SEQ, awake=False)
    told = other.load_state_dict(state)
    assert (told.missing_keys, told.unexpected_keys) == ([], [])
    examples = inputs_for("bert", SEQ)
    assert torch.equal(other(**examples).logits, read(**examples).logits)
    with pytest.raises(RuntimeError, match="belong elsewhere"):
        other.load_state_dict({**state, "more": torch.zeros(1)})
    del state["reads.default.side.encoder.up.0.bias"]
    with pytest.raises(RuntimeError, match="it lacks"):
        other.load_state_dict(state)
    assert other.load_state_dict(state, strict=False).missing_keys == ["reads.default.side.encoder.up.0.bias"]


def test_the_model_stays_in_eval_mode_while_read_trains() -> None:
    read, examples = wrapped("bert", SEQ, hidden=8), inputs_for("bert", SEQ)
    assert read.train().training
    assert not any(module.training for module in read.base.modules())
    assert torch.equal(read(**examples).logits, read(**examples).logits), "no dropout"


def test_gradient_checkpointing_is_refused_with_its_reason() -> None:
    read = wrapped("llama", CAUSAL)
    with pytest.raises(InputError, match="keep no activations"):
        read.gradient_checkpointing_enable()
    with pytest.raises(InputError, match="graph through the frozen model"):
        read.enable_input_require_grads()


def test_copies_that_share_their_hooks_are_refused() -> None:
    with pytest.raises(InputError, match="accelerate launch"):
        wrapped("bert", SEQ)._replicate_for_data_parallel()  # what torch's DataParallel begins with


def test_a_read_that_does_not_exist_is_named_by_its_key() -> None:
    with pytest.raises(InputError, match=r"^cell=gated does not exist: choose one of gru, rnn, lstm$"):
        ReadConfig(cell="gated")
    with pytest.raises(InputError, match=r"^hidden=0"):
        ReadConfig(hidden=0)
    assert (ReadConfig().hidden, ReadConfig().cell, ReadConfig().joiner) == (256, "gru", "identity")


def test_scores_that_the_model_does_not_hand_on_are_named() -> None:
    with pytest.raises(InputError, match="joiner='identity'"):
        wrapped("deberta-v2", SEQ, joiner="attention")
    model = base_of("bert", SEQ)
    read = get_read_model(model, ReadConfig(hidden=8, joiner="attention"))
    model.bert.set_attn_implementation("sdpa")
    with pytest.raises(InputError, match="joiner='identity'"):
        read(**inputs_for("bert", SEQ))
