"""``generate`` with READ: key-value cache and beams say what a loop without a cache says; the encoder's correction
travels with the encoder's output."""

from typing import Any

import pytest
import torch
from torch import Tensor
from wrapped import CAUSAL, TEXT, inputs_for, wrapped

from read_repro import ReadModel
from read_repro.errors import InputError

MODELS = [("t5", TEXT), ("mt5", TEXT), ("llama", CAUSAL), ("qwen3", CAUSAL), ("gpt2", CAUSAL), ("gpt_neox", CAUSAL)]
over_models = pytest.mark.parametrize(("model_type", "auto_class"), MODELS)
NEW = 6


def prompt(model_type: str, auto_class: str) -> dict[str, Tensor]:
    """Texts to go on from, padded on the left for decoders, as generation wants it."""
    batch = inputs_for(model_type, auto_class, labels=False)
    return batch if auto_class == TEXT else {name: value.flip(1) for name, value in batch.items()}


def logits_after(read: ReadModel, inputs: dict[str, Tensor], ids: Tensor) -> Tensor:
    """Logits (rows, V) of what comes after ``ids``, by one plain forward pass."""
    if read.architecture.kind == "encoder-decoder":
        return read(**inputs, decoder_input_ids=ids).logits[:, -1]
    mask = torch.cat([inputs["attention_mask"], torch.ones(len(ids), ids.shape[1], dtype=torch.long)], dim=1)
    whole = torch.cat([inputs["input_ids"], ids], dim=1)
    places = (mask.cumsum(dim=1) - 1).clamp(min=0)  # generate numbers the tokens behind left padding from 0
    named = {} if read.config.model_type == "t5" else {"position_ids": places}
    return read(input_ids=whole, attention_mask=mask, use_cache=False, **named).logits[:, -1]


def start(read: ReadModel, rows: int) -> Tensor:
    """The decoder's first tokens: T5's start token, none for a decoder-only model."""
    begins = 1 if read.architecture.kind == "encoder-decoder" else 0
    return torch.zeros(rows, begins, dtype=torch.long)


def greedy(read: ReadModel, inputs: dict[str, Tensor]) -> Tensor:
    """The likeliest token, again and again."""
    ids = start(read, len(inputs["input_ids"]))
    for _ in range(NEW):
        ids = torch.cat([ids, logits_after(read, inputs, ids).argmax(dim=1, keepdim=True)], dim=1)
    return ids


def beams(read: ReadModel, inputs: dict[str, Tensor], width: int) -> list[Tensor]:
    """For each text alone the likeliest of the continuations that a beam of this width keeps."""
    found = []
    for row in range(len(inputs["input_ids"])):
        own = {name: value[row : row + 1] for name, value in inputs.items()}
        ids, scores = start(read, 1), torch.zeros(1)
        for _ in range(NEW):
            many = {name: value.expand(len(ids), -1) for name, value in own.items()}
            total = scores[:, None] + logits_after(read, many, ids).log_softmax(dim=1)  # (beams, V)
            scores, flat = total.flatten().topk(width)
            ids = torch.cat([ids[flat // total.shape[1]], (flat % total.shape[1])[:, None]], dim=1)
        found.append(ids[0])
    return found


def without_end(read: ReadModel) -> dict[str, Any]:
    """Settings under which every text gets exactly ``NEW`` further tokens."""
    read.generation_config.eos_token_id = None
    return {"max_new_tokens": NEW, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}


@over_models
@torch.no_grad()
def test_greedy_with_a_cache_is_a_loop_without_one(model_type: str, auto_class: str) -> None:
    read, inputs = wrapped(model_type, auto_class), prompt(model_type, auto_class)
    made = read.generate(**inputs, **without_end(read))
    assert torch.equal(made[:, -NEW:], greedy(read, inputs)[:, -NEW:])
    with read.disable_adapter():
        own = read.generate(**inputs, **without_end(read))
    assert not torch.equal(made, own), "READ must have had a say"


@over_models
@torch.no_grad()
def test_beams_with_a_cache_are_a_loop_without_one(model_type: str, auto_class: str) -> None:
    read, inputs = wrapped(model_type, auto_class), prompt(model_type, auto_class)
    made = read.generate(**inputs, num_beams=3, length_penalty=0.0, **without_end(read))
    for row, expected in zip(made, beams(read, inputs, 3), strict=True):
        assert torch.equal(row[-NEW:], expected[-NEW:])


@torch.no_grad()
def test_several_answers_for_each_text() -> None:
    read, inputs = wrapped("t5", TEXT), prompt("t5", TEXT)
    made = read.generate(**inputs, num_beams=4, num_return_sequences=2, **without_end(read))
    assert made.shape == (6, NEW + 1)


@pytest.mark.parametrize("num_beams", [1, 3])
@torch.no_grad()
def test_encoder_outputs_of_ones_own(num_beams: int) -> None:
    read, inputs = wrapped("t5", TEXT), prompt("t5", TEXT)
    outputs = read.get_encoder()(**inputs)
    assert outputs.read_correction.shape == outputs.last_hidden_state.shape
    assert torch.equal(outputs.last_hidden_state, read.base.encoder(**inputs).last_hidden_state), "uncorrected"
    targets = torch.full((3, 2), 5)
    given = read(encoder_outputs=outputs, attention_mask=inputs["attention_mask"], labels=targets)
    assert torch.equal(given.logits, read(**inputs, labels=targets).logits)
    settings = {"num_beams": num_beams, **without_end(read)}
    made = read.generate(encoder_outputs=outputs, attention_mask=inputs["attention_mask"], **settings)
    assert torch.equal(made, read.generate(**inputs, **settings))
    assert len(outputs.read_correction) == 3 * num_beams, (
        "generate repeats it for every beam, in the caller's own output"
    )


@torch.no_grad()
def test_encoder_outputs_without_the_correction_are_an_error() -> None:
    read, inputs = wrapped("t5", TEXT), prompt("t5", TEXT)
    bare = read.base.encoder(**inputs)
    for outputs in (bare, (bare.last_hidden_state,)):
        with pytest.raises(InputError, match="get_encoder"):
            read(encoder_outputs=outputs, labels=torch.full((3, 2), 5))
    with pytest.raises(InputError, match="get_encoder"):
        read.generate(encoder_outputs=bare, max_new_tokens=2)
    with read.disable_adapter():
        read(encoder_outputs=bare, labels=torch.full((3, 2), 5))


def test_a_correction_of_the_callers_own_gets_its_gradient() -> None:
    read, inputs = wrapped("t5", TEXT), prompt("t5", TEXT)
    outputs = read.get_encoder()(**inputs)
    read(encoder_outputs=outputs, attention_mask=inputs["attention_mask"], labels=torch.full((3, 2), 5)).loss.backward()
    assert all(weight.grad.any() for weight in read.active.side["encoder"].parameters())


@pytest.mark.parametrize(("model_type", "auto_class"), [("t5", TEXT), ("llama", CAUSAL)])
def test_the_attention_joiner_refuses_it(model_type: str, auto_class: str) -> None:
    read, inputs = wrapped(model_type, auto_class, joiner="attention"), prompt(model_type, auto_class)
    with pytest.raises(InputError, match="joiner='identity'"):
        read.generate(**inputs, max_new_tokens=2)
    if auto_class == CAUSAL:
        past = read(**inputs, use_cache=True).past_key_values
        with pytest.raises(InputError, match="key-value cache"):
            read(input_ids=inputs["input_ids"][:, :1], past_key_values=past)
    with read.disable_adapter():
        read.generate(**inputs, max_new_tokens=2)
