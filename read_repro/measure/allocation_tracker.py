"""Every byte that a computation holds at its peak, and what for, counted operation by operation on any tensors.

A dispatch mode sees each new storage and is told when it dies; the category of a storage is what it turns out to be
(saved for the backward pass, a gradient, the optimiser's), which often is known only after its birth. Under fake
tensors nothing is computed and nothing allocated, so that a model of any size is counted in seconds.
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
    """A live storage; ``category`` is refined while it lives."""

    size_bytes: int
    category: str = "temporary"


class Ledger(TorchDispatchMode):
    """Counts what lives while it is open, and remembers what lived at the peak.

    Args:
        model: its parameters and buffers are the weights; they are held already.
        batch: input tensors, likewise; they count as activations.
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
        """Say what a tensor's storage is for; weights stay weights."""
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
        """Called before anything is freed: between two of these calls memory only grows."""
        if self._now_bytes > self._peak_bytes:
            self._peak_bytes, self._at_peak = self._now_bytes, list(self._live.values())

    def _save(self, tensor: Tensor) -> Tensor:
        self.mark(tensor, "activations")
        return tensor.detach()  # an operation's own output, kept as it is, would be a reference cycle

    def _mark_gradient(self, parameter: Tensor) -> None:
        assert parameter.grad is not None
        self.mark(parameter.grad, "gradients")


class CudaLike(TorchFunctionMode):
    """On the CPU, the operations that CUDA would choose where the two keep different tensors for the backward pass.

    CUDA's dropout keeps a mask of one byte an element, the CPU's one of floats; CUDA's fused attention with a bias is
    the memory-efficient kernel, which keeps one number a row instead of the scores.
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
