"""The theory check: what is recorded is the backbone itself, and the first-order recursion is exactly first order."""

import copy

import pytest
import torch
from transformers import BertConfig, BertModel, T5Config, T5Model

from read_repro.theory import (
    Stack,
    bert_stack,
    curve,
    decoder_errors,
    encoder_errors,
    record,
    slope,
    t5_stacks,
    widen_norms,
)

SCALES = [1e-2, 1e-3, 1e-4, 1e-5]


@pytest.fixture
def generator() -> torch.Generator:
    torch.manual_seed(0)
    return torch.Generator().manual_seed(0)


def tiny_t5_config(feed_forward: str) -> T5Config:
    return T5Config(
        vocab_size=64, d_model=32, d_kv=8, num_heads=4, d_ff=64, num_layers=3, feed_forward_proj=feed_forward
    )


@pytest.fixture
def t5(generator) -> tuple[Stack, Stack]:
    return t5_stacks(tiny_t5_config("gated-gelu"), tokens=(7, 5), batch_size=2, rank=2, generator=generator)


@pytest.fixture
def bert(generator) -> tuple[BertModel, dict[str, torch.Tensor], Stack]:
    config = BertConfig(vocab_size=64, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64)
    model = BertModel._from_config(config, attn_implementation="eager")
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
    batch = {"input_ids": torch.randint(64, (2, 6), generator=generator), "attention_mask": mask}
    return model, batch, bert_stack(model, batch, rank=2, generator=generator)


def test_slope_of_a_power_law() -> None:
    assert slope(SCALES, [3 * scale**0.5 for scale in SCALES]) == pytest.approx(0.5)


def test_encoder_error_falls_in_proportion(bert) -> None:
    assert 0.9 < slope(SCALES, curve(lambda scale: encoder_errors(bert[2], scale=scale), SCALES)) < 1.1


def test_decoder_error_falls_in_proportion(t5) -> None:
    assert 0.9 < slope(SCALES, curve(lambda scale: decoder_errors(*t5, scale=scale, cross=True), SCALES)) < 1.1


def test_without_cross_attention_the_error_stays(t5) -> None:
    errors = curve(lambda scale: decoder_errors(*t5, scale=scale, cross=False), SCALES)
    assert abs(slope(SCALES, errors)) < 0.3
    assert min(errors) > 0.01


def test_correction_is_that_of_a_copy_with_merged_weights(bert) -> None:
    """Definition 2.1 on whole models: the library's own forward, on a copy whose weights are W + eps B A."""
    model, batch, stack = bert
    tuned = copy.deepcopy(model)
    for block, layer in zip(tuned.encoder.layer, stack.layers, strict=True):
        for name, (b, a) in layer.factors.items():
            block.get_parameter(name).data += 0.1 * b @ a
    frozen_states, tuned_states = (net(**batch, output_hidden_states=True).hidden_states for net in (model, tuned))
    found = stack.corrections((torch.zeros_like(stack.inputs[0]),), scale=0.1)
    for correction, before, after in zip(found, frozen_states[1:], tuned_states[1:], strict=True):
        torch.testing.assert_close(correction, after - before)


def test_decoder_layers_are_the_backbones_own(generator) -> None:
    """The recorded decoder blocks, with masks, position biases and encoder output, give the model's own states."""
    model = T5Model._from_config(tiny_t5_config("relu"), attn_implementation="eager").double().eval()
    widen_norms(model.requires_grad_(False))
    source_ids, target_ids = torch.randint(64, (2, 7), generator=generator), torch.randint(64, (2, 5))
    outputs = []

    def run() -> None:
        outputs.append(model(input_ids=source_ids, decoder_input_ids=target_ids, use_cache=False).last_hidden_state)

    stack = record([*model.decoder.block, model.decoder.final_layer_norm], run, rank=2, generator=generator)
    state, source = stack.inputs
    for layer in stack.layers:
        state = layer(state, source)
    torch.testing.assert_close(state, outputs[0])


@pytest.mark.parametrize("feed_forward", ["relu", "gated-gelu"])
def test_wide_norms_change_nothing_but_rounding(generator, feed_forward) -> None:
    model = T5Model._from_config(tiny_t5_config(feed_forward)).double().eval()
    ids = torch.randint(64, (2, 7), generator=generator)
    before = model(input_ids=ids, decoder_input_ids=ids).last_hidden_state
    widen_norms(model)
    after = model(input_ids=ids, decoder_input_ids=ids).last_hidden_state
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)
    assert not torch.equal(after, before)
