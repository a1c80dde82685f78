"""Tiny methods with a store of their frozen states: what the store's tests start from."""

from pathlib import Path
from typing import Any

import tiny
import torch
from torch import Tensor

from read_repro.data.batches import collate
from read_repro.methods.base import Method
from read_repro.store.filling import fill, missing
from read_repro.store.states import StateStore


def examples_of(kind: str, *, rows: int = 6, seed: int = 1) -> list[dict[str, Any]]:
    """The rows of a tiny batch, without padding, as the datamodule holds them."""
    batch = tiny.batch(kind, rows=rows, seed=seed)
    lengths = batch["attention_mask"].sum(dim=1)
    made = []
    for row in range(rows):
        example: dict[str, Any] = {"input_ids": batch["input_ids"][row, : lengths[row]].int().numpy()}
        example["label"] = int(batch["labels"][row])
        if kind == "t5":
            targets = batch["target_ids"][row]
            example["target_ids"] = targets[targets >= 0].int().numpy()
        made.append(example)
    return made


def randomised(method: Method) -> Method:
    """With every norm's weights drawn: a pass before and one after the final norm then differ."""
    torch.manual_seed(3)
    for name, parameter in method.named_parameters():
        if "norm" in name.lower() and parameter.dim() == 1:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
        elif not bool(parameter.any()):
            torch.nn.init.normal_(parameter, std=0.3)
    return method.eval()


def store_of(method: Method, *, dtype: str = "fp32", folder: Path | None = None) -> StateStore:
    return StateStore.of(method.backbone, method.keep, dtype=dtype, weights="w", folder=folder)


def collated(examples: list[Any]) -> dict[str, Tensor]:
    return collate(examples, pad_id=0)


def filled(method: Method, examples: list[Any], **settings: Any) -> StateStore:
    store = store_of(method, **settings)
    fill(store, method.backbone, missing(store, examples), collated, batch_size=4, show_bar=False)
    assert all(map(store.held, examples))
    return store
