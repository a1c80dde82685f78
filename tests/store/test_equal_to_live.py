"""What is read back from the store gives what the live frozen pass gives: logits, gradients, predictions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from stored import collated, examples_of, filled, randomised, store_of
from torch import Tensor

from read_repro.backbones.encoder_decoder import EncoderDecoderBackbone
from read_repro.methods.base import Method
from read_repro.store.filling import missing
from read_repro.store.reading import stored_tensors
from read_repro.store.states import StateStore, specs_of

CASES = [
    ("read", "bert", {}),
    ("read", "bert", {"joiner": "attention", "cell": "lstm"}),
    ("read", "bert", {"recurrent": False}),
    ("head", "bert", {}),
    ("lst", "bert", {"init": "random"}),
    ("read", "t5", {}),
    ("read", "t5", {"joiner": "attention", "cell": "rnn"}),
    ("read", "t5", {"recurrent": False}),
    ("lst", "t5", {"init": "random"}),
]


def outcome(method: Method, batch: dict[str, Tensor]) -> tuple[Tensor, list[Tensor], Tensor]:
    method.zero_grad()
    logits = method(batch)
    method.backbone.loss(logits, batch).backward()
    if "target_ids" in batch:
        logits = logits[batch["target_ids"] >= 0]  # behind a target's end no loss is taken
    return (
        logits.detach(),
        [p.grad.clone() for p in method.trainable().values() if p.grad is not None],
        method.predict(batch),
    )


@pytest.mark.parametrize("place", ["ram", "disk"])
@pytest.mark.parametrize(("name", "kind", "changes"), CASES, ids=lambda value: str(value))
def test_logits_gradients_and_predictions_are_those_of_the_live_pass(
    name: str, kind: str, changes: dict[str, Any], place: str, tmp_path: Path
) -> None:
    method = randomised(tiny.build(name, kind, **changes))
    examples = examples_of(kind)
    store = filled(method, examples, folder=tmp_path if place == "disk" else None)
    batch = collated(examples)
    logits, gradients, predicted = outcome(method, batch)
    method.backbone.release()
    ours = outcome(method, batch | stored_tensors(store, examples))
    torch.testing.assert_close(ours[0], logits, rtol=1e-5, atol=1e-5)
    assert len(gradients) == len(ours[1]) > 0
    for one, other in zip(ours[1], gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert torch.equal(ours[2], predicted)


@pytest.mark.parametrize(("name", "kind", "changes"), CASES, ids=lambda value: str(value))
def test_rows_that_are_not_stored_are_run_live(name: str, kind: str, changes: dict[str, Any]) -> None:
    method = randomised(tiny.build(name, kind, **changes))
    examples = examples_of(kind)
    store = filled(method, examples[::2])
    batch = collated(examples)
    logits, _, predicted = outcome(method, batch)
    mixed = batch | stored_tensors(store, examples)
    assert mixed["held"].tolist() == [True, False] * 3
    ours = outcome(method, mixed)
    torch.testing.assert_close(ours[0], logits, rtol=1e-5, atol=1e-5)
    assert torch.equal(ours[2], predicted)


@pytest.mark.parametrize(("dtype", "tolerance"), [("fp16", 2e-3), ("bf16", 2e-2), ("int8", 5e-2)])
@pytest.mark.parametrize(("name", "kind"), [("read", "bert"), ("read", "t5"), ("lst", "t5")])
def test_narrow_states_are_near(name: str, kind: str, dtype: str, tolerance: float) -> None:
    method = randomised(tiny.build(name, kind))
    examples = examples_of(kind)
    batch = collated(examples)
    narrow = batch | stored_tensors(filled(method, examples, dtype=dtype), examples)
    wide = batch | stored_tensors(filled(method, examples), examples)
    size = sum(value.nbytes for key, value in narrow.items() if "inner" in key)
    assert size < sum(value.nbytes for key, value in wide.items() if "inner" in key)
    ours, exact = outcome(method, narrow)[0], outcome(method, wide)[0]
    difference = (ours - exact).abs().max() / exact.abs().max()
    assert 0 < difference < tolerance


def count_calls(method: Method) -> Callable[[], int]:
    """How often the backbone's first layer has run since."""
    calls = []
    layers: Any = method.backbone.layers("encoder")
    layers[0].register_forward_hook(lambda *_: calls.append(1))
    return lambda: len(calls)


def test_what_is_stored_is_not_computed_again(tmp_path: Path) -> None:
    method = randomised(tiny.build("read", "bert"))
    examples = examples_of("bert")
    filled(method, examples, folder=tmp_path)
    calls = count_calls(method)
    again = store_of(method, folder=tmp_path)
    assert missing(again, examples[::-1][:4]) == []  # another order, a subset
    method(collated(examples) | stored_tensors(again, examples))
    assert calls() == 0
    assert len(missing(store_of(method, folder=tmp_path, dtype="fp16"), examples)) == len(examples)
    other = StateStore(
        specs_of(method.backbone, "fp32", method.keep), method.keep, weights="v", answers=None, folder=tmp_path
    )
    assert len(missing(other, examples)) == len(examples)
    changed = [{**example, "input_ids": example["input_ids"] + 1} for example in examples]
    assert len(missing(again, changed)) == len(examples)


def test_read_and_lst_share_what_both_read(tmp_path: Path) -> None:
    read, lst = (randomised(tiny.build(name, "t5")) for name in ("read", "lst"))
    examples = examples_of("t5")
    before = filled(read, examples, folder=tmp_path)
    shared = store_of(lst, folder=tmp_path)
    held = {place for place, shelf in shared.shelves.items() if len(shelf) == len(examples)}
    assert held == {(stack, part) for stack in ("encoder", "decoder") for part in ("inner", "output")}
    assert before.parts["decoder"] == ("inner", "output", "cross")


def test_new_label_words_fill_the_decoder_alone(tmp_path: Path) -> None:
    method = randomised(tiny.build("read", "t5"))
    examples = examples_of("t5")
    filled(method, examples, folder=tmp_path)
    assert isinstance(method.backbone, EncoderDecoderBackbone)
    from read_repro.backbones.label_decoding import PrefixTree

    other = StateStore(
        specs_of(method.backbone, "fp32", method.keep),
        method.keep,
        weights="w",
        answers=PrefixTree([(20, 1), (21, 1)]),
        folder=tmp_path,
    )
    found = {place: sum(other.key(e, place[0]) in shelf for e in examples) for place, shelf in other.shelves.items()}
    assert found == {(stack, part): 6 if stack == "encoder" else 0 for stack, part in other.shelves}
