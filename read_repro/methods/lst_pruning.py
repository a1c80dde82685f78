"""Structured pruning: which rows and columns of a wide transformer's weights a narrow copy of it takes over.

The importance of a weight w is, as LST's authors measure it (Sung et al., 2022, arXiv 2206.06522; their released code),

    fisher:     sum over training examples of (d loss / d w)^2, the loss being that of the gold label
    magnitude:  |w|

and that of a row is the sum over the row. A *step* is what is pruned together: the linears that read the same input and
must keep the same rows (query, key and value; their importances are multiplied entry by entry), one linear alone, or
one norm. Steps follow the data: each linear keeps the columns that the step before it kept as rows, and the best of its
own rows; a norm keeps the entries of its input.

What is kept can stand in two orders. ``ascending`` is the order of the wide weights. ``authors`` is the order in which
Python iterates over the set of the kept indices, which LST's authors make with ``list(set(range(n)) - set(dropped))``:
CPython places an integer by its low bits, so that 514 of 768 comes before 27. The order is no mere renaming. Rows of
the query, key and value are cut into heads in this order, and the residual stream adds entry j of one linear to entry j
of another, whatever they stand for.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Importance = dict[Tensor, Tensor]  # a weight -> the importance of each of its entries
Step = tuple[nn.Module, ...]
ORDERS = ("authors", "ascending")


@dataclass(frozen=True)
class Kept:
    """What a step keeps, as indices in the order in which the narrow copy has them; a norm has no columns."""

    rows: Tensor
    columns: Tensor | None = None


def magnitude(weights: Iterable[Tensor]) -> Importance:
    """|w|."""
    return {weight: weight.detach().abs() for weight in weights}


def fisher(weights: Iterable[Tensor], loss: Callable[[Any], Tensor], examples: Iterable[Any]) -> Importance:
    """Sum over ``examples`` of the squared gradient of ``loss``; an example is a batch of one.

    The weights are thawed meanwhile, and neither a gradient nor a thawed weight stays behind.
    """
    total = {weight: torch.zeros_like(weight, dtype=torch.float32, requires_grad=False) for weight in weights}
    with thawed(list(total)):
        for example in examples:
            gradients = torch.autograd.grad(loss(example), list(total))
            for importance, gradient in zip(total.values(), gradients, strict=True):
                importance.addcmul_(gradient.float(), gradient.float())
    return total


@contextmanager
def thawed(weights: Sequence[Tensor]) -> Iterator[None]:
    """Let weights take a gradient while the context is open."""
    before = [weight.requires_grad for weight in weights]
    try:
        for weight in weights:
            weight.requires_grad_(True)
        yield
    finally:
        for weight, required in zip(weights, before, strict=True):
            weight.requires_grad_(required)


def highest(scores: Tensor, count: int, order: str) -> Tensor:
    """The indices of the ``count`` highest of (n,) scores, in one of ``ORDERS``; of equal scores the first."""
    ranked = scores.sort(descending=True, stable=True).indices
    if order == "ascending":
        return ranked[:count].sort().values
    kept = list(set(range(len(scores))) - set(ranked[count:].tolist()))
    return torch.tensor(kept, device=scores.device)


def choose(
    steps: Sequence[Step], sizes: Sequence[int], importance: Importance, stream: Tensor, order: str
) -> list[Kept]:
    """What each step of a block keeps.

    Args:
        steps: in the order of the data.
        sizes: how many rows each keeps.
        stream: what the data before the first step keep; behind the last step it is the last item's ``rows``.
        order: one of ``ORDERS``.
    """
    kept = []
    for step, size in zip(steps, sizes, strict=True):
        if weight_of(step[0]).dim() == 1:
            kept.append(Kept(stream))
            continue
        # 64 bit: the product of three sums of squared gradients falls out of the range of 32 bit
        together = torch.stack([importance[weight_of(module)][:, stream].double() for module in step]).prod(dim=0)
        kept.append(Kept(highest(together.sum(dim=1), size, order), columns=stream))
        stream = kept[-1].rows
    return kept


@torch.no_grad()
def transplant(steps: Sequence[Step], narrow: Sequence[Step], kept: Sequence[Kept]) -> None:
    """Copy what is kept of the weights and biases of ``steps`` into those of ``narrow``."""
    for step, small, keep in zip(steps, narrow, kept, strict=True):
        for module, copy in zip(step, small, strict=True):
            rows = weight_of(module)[keep.rows]
            weight_of(copy).copy_(rows if keep.columns is None else rows[:, keep.columns])
            if isinstance(bias := getattr(copy, "bias", None), Tensor):
                bias.copy_(module.get_parameter("bias")[keep.rows])


def matrices(steps: Iterable[Step]) -> list[Tensor]:
    """The weights whose importance decides: those of the linears."""
    return [weight for step in steps for module in step if (weight := weight_of(module)).dim() == 2]


def weight_of(module: nn.Module) -> Tensor:
    """A linear's (rows, columns) or a norm's (rows,)."""
    return module.get_parameter("weight")
