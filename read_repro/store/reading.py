"""From the store back into batches: the stored states of a batch's examples, padded side by side."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from read_repro.backbones.stored_pass import HELD
from read_repro.store.states import StateStore, StoredExample


def stored_tensors(store: StateStore, examples: Sequence[StoredExample]) -> dict[str, Tensor]:
    """What a batch of these examples carries, by ``<stack>/<part>/<array>``: (layers, B, T, ...), zero where padded.

    Empty if none of the examples is stored; with ``held`` (B,) if only some are.
    """
    found = [store.get(example) for example in examples]
    kept = [arrays for arrays in found if arrays is not None]
    if not kept:
        return {}
    tensors = {
        f"{stack}/{part}/{name}": _padded(
            [None if one is None else one[stack, part][name] for one in found], store, stack
        )
        for stack, part in store.shelves
        for name in kept[0][stack, part]
    }
    if len(kept) < len(found):
        tensors[HELD] = torch.tensor([arrays is not None for arrays in found])
    return tensors


def _padded(arrays: Sequence[np.ndarray | None], store: StateStore, stack: str) -> Tensor:
    """(layers, T_b, ...) of each example -> (layers, B, T, ...)."""
    known = [array for array in arrays if array is not None]
    longest = [max(sizes) for sizes in zip(*(array.shape[1:] for array in known), strict=True)]
    whole = np.zeros((len(known[0]), len(arrays), *longest), dtype=known[0].dtype)
    for row, array in enumerate(arrays):
        if array is not None:
            whole[:, row][tuple(map(slice, array.shape))] = array
    tensor = torch.from_numpy(whole)
    return tensor.view(torch.bfloat16) if whole.dtype == np.uint16 else tensor
