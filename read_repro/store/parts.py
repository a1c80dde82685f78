"""What is kept of an example's frozen pass, and as which bytes.

An entry holds one *part* of one stack for one example, without padding. Parts are shared by every method that reads
them: READ takes ``inner`` and ``output``, LST those and ``ends``, a head on the frozen backbone ``output`` alone.

    inner     phi_1 .. phi_{N-1}, normalised as READ's cell reads them: (N - 1, T, D); READ's phi_N follows from output
    output    what the backbone would hand on, always in 32 bit: (1, T, D)
    ends      phi_0 and, where a final norm stands behind it, the raw phi_N: (2 or 1, T, D)
    self      head-mean self-attention scores: (N, T, R), R the tokens that are read
    cross     head-mean cross-attention scores: (N, T, S)

A pre-norm stack (T5) has a raw residual stream that 16 bit cannot hold: beside each of its normalised states stands
the root mean square in 32 bit, and the product of the two is the raw state that LST reads.

Letters: T tokens kept (source tokens of an encoder, label prefixes of a decoder), S source tokens, D width, N layers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from read_repro.backbones.frozen_pass import Keep

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16, "int8": torch.int8}
NUMPY = {"fp32": np.float32, "fp16": np.float16, "bf16": np.uint16, "int8": np.int8}  # numpy has no bf16: its bits
PARTS = ("inner", "output", "ends", "self", "cross")

Shape = tuple[int, ...]
Layout = Mapping[str, tuple[Shape, type]]  # shape and kind of an entry's arrays, in the order of their bytes


@dataclass(frozen=True)
class StackSpec:
    """The sizes of one stack, on which the bytes of its entries depend.

    Args:
        depth: N. width: D.
        pre_norm: whether the raw states need their root mean square beside them.
        dtype: a key of ``DTYPES``; ``output`` and root mean squares are in 32 bit whatever it is.
        positions: whether all ``tokens`` are kept, the ``first`` alone, or those that ``answers`` follow.
    """

    stack: str
    depth: int
    width: int
    pre_norm: bool
    dtype: str
    positions: str = "tokens"

    def layout(self, part: str, tokens: int, read: int) -> Layout:
        """The arrays of an entry, in the order of their bytes.

        Args:
            tokens: T. read: R or S, the tokens that attention scores are about.
        """
        small = NUMPY["fp16" if self.dtype == "int8" else self.dtype]  # scores lie in [0, 1]: 16 bit hold them
        if part == "output":
            return {"values": ((1, tokens, self.width), np.float32)}
        if part in ("self", "cross"):
            return {"values": ((self.depth, tokens, read), small)}
        layers = self.depth - 1 if part == "inner" else 1 + self.pre_norm
        arrays: dict[str, tuple[Shape, type]] = {"values": ((layers, tokens, self.width), NUMPY[self.dtype])}
        if self.dtype == "int8":
            arrays["scale"] = ((layers, tokens), np.float32)
        if self.pre_norm:
            arrays["rms"] = ((layers, tokens), np.float32)
        return arrays

    def form(self, part: str, tokens: int, read: int) -> tuple[Layout, int]:
        """An entry's layout, and its bytes in all."""
        layout = self.layout(part, tokens, read)
        return layout, sum(math.prod(shape) * np.dtype(kind).itemsize for shape, kind in layout.values())


def parts_of(keep: Keep) -> tuple[str, ...]:
    """The parts that a side network with this ``keep`` reads of a stack."""
    wanted = {
        "inner": not keep.output_only,
        "output": True,
        "ends": not keep.normalised,
        "self": keep.self_scores,
        "cross": keep.cross_scores,
    }
    return tuple(part for part in PARTS if wanted[part])


def narrow(values: Tensor, dtype: str) -> dict[str, np.ndarray]:
    """Values (..., D) in the store's dtype; int8 takes one scale for each state, the largest of it being 127."""
    if dtype != "int8":
        return {"values": to_numpy(values.to(DTYPES[dtype]))}
    scale = values.abs().amax(dim=-1).clamp(min=torch.finfo(torch.float32).tiny) / 127
    return {"values": to_numpy((values / scale[..., None]).round().to(torch.int8)), "scale": to_numpy(scale)}


def to_numpy(values: Tensor) -> np.ndarray:
    """The same bits as a numpy array."""
    values = values.contiguous().cpu()
    return values.view(torch.uint16).numpy() if values.dtype == torch.bfloat16 else values.numpy()


def to_bytes(arrays: Mapping[str, np.ndarray], layout: Layout) -> bytes:
    """The bytes of an entry, in its layout's order."""
    pieces = []
    for name, (shape, kind) in layout.items():
        assert arrays[name].shape == shape, (name, arrays[name].shape, shape)
        pieces.append(np.ascontiguousarray(arrays[name], dtype=kind).tobytes())
    return b"".join(pieces)


def from_bytes(data: memoryview, layout: Layout) -> dict[str, np.ndarray]:
    """The arrays of an entry, as views of its bytes."""
    arrays: dict[str, np.ndarray] = {}
    offset = 0
    for name, (shape, kind) in layout.items():
        count = math.prod(shape)
        arrays[name] = np.frombuffer(data, dtype=kind, count=count, offset=offset).reshape(shape)
        offset += arrays[name].nbytes
    return arrays
