"""The trained weights of a run: one safetensors file that carries the digest of what it holds.

The file may be anyone's, or damaged on its way: it is read as data, and used only when it is whole, finite and exactly
what the method trains.
"""

import errno
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from read_repro.errors import InputError
from read_repro.foreign import reason, regular_file, shown
from read_repro.methods.base import Method

TYPES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


def save_trainable(method: Method, path: Path) -> str:
    """Write the trained weights, all or nothing; returns their digest."""
    return save_tensors(method.trainable(), path)


def save_tensors(weights: Mapping[str, Tensor], path: Path) -> str:
    """Write tensors, all or nothing; returns their digest."""
    tensors = {name: weight.detach().contiguous().cpu() for name, weight in weights.items()}
    digest = digest_of(tensors)
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    temporary.touch()
    mode = temporary.stat().st_mode & 0o777  # the umask's; safetensors' own file is its owner's alone
    try:
        save_file(tensors, temporary, metadata={"sha256": digest})
    except SafetensorError as error:  # its word for what the system refuses, such as a full disk
        raise OSError(errno.EIO, reason(error), str(path)) from error
    temporary.chmod(mode)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    return digest


def load_trainable(method: Method, path: Path) -> str:
    """Put saved weights back into a method of the same kind; returns their digest.

    Raises:
        InputError: the file is not whole, not finite, or another method's.
    """
    check_trainable(method, path)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"{path} is not a whole safetensors file ({reason(error)})") from error
    digest = digest_of(tensors)
    if metadata != {"sha256": digest}:
        raise InputError(f"{path} is not what it was written as: its content has another digest than it carries")
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise InputError(f"{path} holds numbers that are not finite, in {name}: such weights predict nothing")
    method.load_trainable(tensors)
    return digest


def check_trainable(method: Method, path: Path) -> None:
    """Check by its header alone that a file holds what ``method`` trains; a method on the meta device will do.

    Raises:
        InputError: it is no such file, or holds other names, sizes or types.
    """
    try:
        with safe_open(regular_file(path), "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            held = {name: (tuple(part.get_shape()), part.get_dtype()) for name, part in slices.items()}
    except SafetensorError as error:
        raise InputError(f"{path} is not a whole safetensors file ({reason(error)})") from error
    wanted = {name: (tuple(weight.shape), TYPES[weight.dtype]) for name, weight in method.trainable().items()}
    odd = sorted(name for name in held.keys() | wanted.keys() if held.get(name) != wanted.get(name))
    if odd:
        raise InputError(
            f"{path} does not belong to this {type(method).__name__}: {len(odd)} tensors are missing, left over or of "
            f"another size or type, {', '.join(map(shown, odd[:4]))}"
        )


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """The sha256 over names, types, sizes and bytes of tensors, in order of their names."""
    found = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name}\0{tensor.dtype}\0{list(tensor.shape)}\0".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
