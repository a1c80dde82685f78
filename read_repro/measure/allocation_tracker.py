"""Counts the bytes that a computation holds at its peak, by what they are held for, on any kind of tensors.

A dispatch mode sees the result of every operation, so it sees each new storage, and is told when the storage is freed.
What a storage is for (a weight, a gradient, the optimiser's state, an activation kept for the backward pass) often
becomes known only later, so that its category changes while it lives. Under fake tensors nothing is computed and
nothing allocated, and a model of any size is counted in seconds.
"""

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CATEGORIES = ("weights", "gradients", "optimizer", "activations", "temporary")
ALIGNMENT_BYTES = 512  # torch's CUDA allocator rounds every request up to this


@dataclass(eq=False)
class Holding:
    """A storage that is alive. It is temporary until something shows what it is for."""

    size_bytes: int
    category: str = "temporary"


class Ledger(TorchDispatchMode):
    """Counts what lives while it is open, and remembers what lived at the peak.

    Args:
        model: its parameters and buffers are the weights, which are held from the start.
        batch: the input tensors, which are held from the start, too, and count as activations.
    """

    def __init__(self, model: nn.Module, batch: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self._live: dict[int, Holding] = {}
        self._now_bytes = self._peak_bytes = 0
        self._at_peak: list[Holding] = []
        self._saved = torch.autograd.graph.saved_tensors_hooks(self._save, lambda tensor: tensor)
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._handles: list[Any] = []
        for tensor in (*model.parameters(), *model.buffers()):
            self.mark(tensor, "weights")
        for tensor in batch:
            self.mark(tensor, "activations")

    def __enter__(self) -> Self:
        self._handles = [p.register_post_accumulate_grad_hook(self._mark_gradient) for p in self._parameters]
        self._saved.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._saved.__exit__(*error)
        for handle in self._handles:
            handle.remove()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(output):
            if isinstance(leaf, Tensor):
                self._hold(leaf)
        return output

    def mark(self, tensor: Tensor, category: str) -> None:
        """Say what a tensor's storage is for; what is a weight stays one, whatever else it is used for."""
        holding = self._hold(tensor)
        if holding.category != "weights":
            holding.category = category

    def peak(self) -> dict[str, int]:
        """Bytes by category at the peak; their sum is the peak."""
        self._remember()
        return {name: sum(h.size_bytes for h in self._at_peak if h.category == name) for name in CATEGORIES}

    def _hold(self, tensor: Tensor) -> Holding:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._live:
            size_bytes = -(-storage.nbytes() // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
            self._live[key] = Holding(size_bytes)
            self._now_bytes += size_bytes
            weakref.finalize(storage, self._release, key)
        return self._live[key]

    def _release(self, key: int) -> None:
        self._remember()
        self._now_bytes -= self._live.pop(key).size_bytes

    def _remember(self) -> None:
        """Keep what lives now if it is the most so far; called before each release, since memory only grows between."""
        if self._now_bytes > self._peak_bytes:
            self._peak_bytes, self._at_peak = self._now_bytes, list(self._live.values())

    def _save(self, tensor: Tensor) -> Tensor:
        self.mark(tensor, "activations")
        return tensor.detach()  # an operation that kept its own output as it is would never be freed: a cycle

    def _mark_gradient(self, parameter: Tensor) -> None:
        assert parameter.grad is not None
        self.mark(parameter.grad, "gradients")


class CudaLike(TorchFunctionMode):
    """Makes the CPU run CUDA's operation wherever the two would keep different tensors for the backward pass.

    For dropout CUDA keeps a mask of one byte an element, the CPU one of floats. For fused attention with a bias CUDA
    takes its memory-efficient kernel, which keeps one number for each row of the scores instead of the scores.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        replacement: Callable[..., Any] = {
            F.dropout: _dropout,
            F.scaled_dot_product_attention: _efficient_attention,
        }.get(func, func)
        return replacement(*args, **(kwargs or {}))


def _dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    return torch.native_dropout(input, p, True)[0] if training and p > 0 else input


def _efficient_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    keeps_graph = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (query, key, value))
    if attn_mask is not None:
        attn_mask = attn_mask.expand(*query.shape[:-1], key.shape[-2])
    return torch.ops.aten._scaled_dot_product_efficient_attention(
        query, key, value, attn_mask, keeps_graph, dropout_p, is_causal, scale=scale
    )[0]
