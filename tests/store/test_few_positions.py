"""Where one token answers, the store keeps one token's states, on every family; what is read back is the live pass."""

from pathlib import Path
from typing import Any

import families
import pytest
import torch
from families import FAMILIES
from stored import collated, filled, randomised, store_of

from read_repro.backbones.architectures import ARCHITECTURES
from read_repro.errors import InputError
from read_repro.methods.base import Method
from read_repro.store.reading import stored_tensors

BEFORE = {"encoder": "encoder-inner-fp32-6x384-1b75a8aaaa06e35d",
          "decoder": "decoder-output-fp32-12x768-5cf00d739b320dac"}  # fmt: skip
KINDS = {family: ARCHITECTURES[name].kind for family, name in FAMILIES.items()}
CASES = [("read", family) for family in FAMILIES] + [("head", f) for f in FAMILIES if f.endswith(("-head", "-cls"))]


def examples_of(family: str) -> list[dict[str, Any]]:
    """The rows of the family's tiny batch without padding, as the datamodule holds them."""
    batch = families.batch(family)
    made = []
    for row, mask in enumerate(batch["attention_mask"]):
        example: dict[str, Any] = {"input_ids": batch["input_ids"][row, : mask.sum()].int().numpy()}
        example["label"] = int(batch["labels"][row])
        if "target_ids" in batch:
            targets = batch["target_ids"][row]
            example["target_ids"] = targets[targets >= 0].int().numpy()
        made.append(example)
    return made


def outcome(method: Method, batch: dict[str, torch.Tensor]) -> tuple[Any, ...]:
    method.zero_grad()
    logits = method(batch)
    method.backbone.loss(logits, batch).backward()
    if "target_ids" in batch:
        logits = logits[batch["target_ids"] >= 0]
    gradients = {name: w.grad.clone() for name, w in method.trainable().items() if w.grad is not None}
    return logits.detach(), gradients, method.predict(batch)


@pytest.mark.parametrize(("name", "family"), CASES)
@pytest.mark.parametrize("held", ["all", "half"])
def test_stored_states_give_what_the_live_pass_gives(name: str, family: str, held: str) -> None:
    method = randomised(families.build(name, family))
    examples = examples_of(family)
    batch = collated(examples)
    logits, gradients, predicted = outcome(method, batch)
    store = filled(method, examples if held == "all" else examples[::2])
    if held == "all":
        method.backbone.release()
    ours = outcome(method, batch | stored_tensors(store, examples))
    torch.testing.assert_close(ours[0], logits, rtol=1e-5, atol=1e-5)
    assert ours[1].keys() == gradients.keys() != set()
    for key, gradient in gradients.items():
        torch.testing.assert_close(ours[1][key], gradient, rtol=1e-4, atol=1e-5)
    assert torch.equal(ours[2], predicted)


@pytest.mark.parametrize("family", [f for f in FAMILIES if KINDS[f] == "decoder" or f.endswith("-cls")])
def test_as_many_positions_are_kept_as_answer(family: str) -> None:
    method = families.build("read", family)
    store, examples = store_of(method), examples_of(family)
    positions = 2 if KINDS[family] == "decoder" and not family.endswith("-head") else 1  # behind nothing, behind 11
    for example in examples:
        for stack, part in store.shelves:
            for shape, _ in store.layout(example, stack, part).values():
                assert shape[1] == positions


def test_a_head_and_words_of_one_token_share_the_states(tmp_path: Path) -> None:
    from read_repro.backbones.decoder import DecoderBackbone
    from read_repro.backbones.label_decoding import Answers

    examples = examples_of("llama-head")
    head = families.build("read", "llama-head")
    filled(head, examples, folder=tmp_path)
    words = families.build("read", "llama-head")
    words.backbone = DecoderBackbone(
        families.transformer("llama"), answers=Answers(((10,), (11,)), (0.0, 1.0)), outputs=2, regression=False
    )
    assert all(store_of(words, folder=tmp_path).held(example) for example in examples)


def test_what_reads_every_token_of_a_prompt_is_refused() -> None:
    with pytest.raises(InputError, match=r"choose method\.joiner=identity or cache=none"):
        store_of(families.build("read", "llama", joiner="attention"))


def test_the_shelves_from_before_are_found_by_their_names(tmp_path: Path) -> None:
    """The names that stores on users' disks have, written down before positions were kept apart."""
    from read_repro.store.parts import StackSpec
    from read_repro.store.states import shelf_name

    assert shelf_name(StackSpec("encoder", 6, 384, False, "fp32"), "inner", "w") == BEFORE["encoder"]
    assert shelf_name(StackSpec("decoder", 12, 768, True, "fp16", "answers"), "output", "w") == BEFORE["decoder"]
