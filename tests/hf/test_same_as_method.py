"""READ beside a model of transformers is the READ of ``methods/read.py`` on every family: same logits and gradients."""

from typing import Any

import pytest
import torch
from families import FAMILIES, batch, build, transformer
from torch import Tensor
from wrapped import wake

from read_repro import ReadConfig, ReadModel, get_read_model
from read_repro.backbones.architectures import ARCHITECTURES
from read_repro.hf.pooled import PooledClassifier

WITH_HEAD = [name for name in FAMILIES if ARCHITECTURES[FAMILIES[name]].kind == "encoder" or name.endswith("-head")]
IN_WORDS = [name for name in FAMILIES if name not in WITH_HEAD]


def both(family: str) -> tuple[Any, ReadModel]:
    """The same READ twice, with the same weights: as a method, and beside the model that its backbone is."""
    method, model = build("read", family), transformer(family)
    if family in WITH_HEAD:
        pooling = "last" if family.endswith("-head") else method.backbone.pooling
        model = PooledClassifier(model.base_model, pooling=pooling, id2label={0: "a", 1: "b", 2: "c"})
    read = wake(get_read_model(model, ReadConfig(hidden=16)))
    method.side.load_state_dict(read.active.side.state_dict())
    if family in WITH_HEAD:
        read.active.heads["classifier"].load_state_dict(method.backbone.head.state_dict())
    return method, read


def answer_logits(read: ReadModel, examples: dict[str, Tensor]) -> list[Tensor]:
    """For each row alone, without padding, what is told at the places of its answer's tokens: (T of the row, V)."""
    told = []
    for ids, mask, targets in zip(
        *(examples[name] for name in ("input_ids", "attention_mask", "target_ids")), strict=True
    ):
        prompt, answer = ids[mask.bool()][None], targets[targets != -100][None]
        if read.architecture.kind == "encoder-decoder":
            told.append(read(input_ids=prompt, labels=answer).logits[0])
        else:
            logits = read(input_ids=torch.cat([prompt, answer], dim=1)).logits[0]
            told.append(logits[prompt.shape[1] - 1 : -1])
    return told


def same_gradients(method: Any, read: ReadModel) -> None:
    expected = dict(method.side.named_parameters())
    for name, weight in read.active.side.named_parameters():
        assert weight.grad.any(), name
        torch.testing.assert_close(weight.grad, expected[name].grad, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("family", WITH_HEAD)
def test_with_a_task_head(family: str) -> None:
    method, read = both(family)
    examples = batch(family)
    logits = method(examples)
    output = read(**{name: examples[name] for name in ("input_ids", "attention_mask", "labels")})
    torch.testing.assert_close(output.logits, logits, rtol=1e-4, atol=1e-5)
    method.backbone.loss(logits, examples).backward()
    output.loss.backward()
    same_gradients(method, read)
    torch.testing.assert_close(
        read.active.heads["classifier"].weight.grad, method.backbone.head.weight.grad, rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("family", IN_WORDS)
def test_in_words(family: str) -> None:
    method, read = both(family)
    examples = batch(family)
    logits, kept = method(examples), examples["target_ids"] != -100
    told = torch.cat(answer_logits(read, examples))
    torch.testing.assert_close(told, logits[kept], rtol=1e-4, atol=1e-4)
    method.backbone.loss(logits, examples).backward()
    torch.nn.functional.cross_entropy(told, examples["target_ids"][kept]).backward()
    same_gradients(method, read)
