"""What tells one model of transformers from another: the hub's commit, and the bytes of its pre-trained tensors."""

import hashlib
import re
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import constants
from huggingface_hub.file_download import repo_folder_name
from torch import Tensor, nn

from read_repro.hf.heads import head_names
from read_repro.hf.pooled import PooledClassifier

COMMIT = re.compile(r"[0-9a-f]{40}")


def commit_of(base: Any) -> str | None:
    """The hub's commit that a model was loaded from; None for a model from elsewhere, or where several may be meant.

    Newer releases of transformers do not note it with the model; then the hub's cache tells it, if it has but one.
    """
    noted = getattr(base.config, "_commit_hash", None)
    if isinstance(noted, str) and COMMIT.fullmatch(noted):
        return noted
    if not base.name_or_path or Path(base.name_or_path).exists():
        return None
    cached = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=base.name_or_path, repo_type="model") / "snapshots"
    commits = [path.name for path in cached.glob("*") if COMMIT.fullmatch(path.name)]
    return commits[0] if len(commits) == 1 else None


def frozen_sha256(base: Any) -> str:
    """The sha256 over a model's pre-trained tensors, by their names, kinds and bytes; its heads are left out.

    So is the pooler behind a `PooledClassifier`'s model, which that one does not ask, and some of its makers leave out.
    """
    unused = ("model.pooler.",) if isinstance(base, PooledClassifier) else ()
    found, heads = hashlib.sha256(), (*(f"{name}." for name in head_names(base)), *unused)
    for name, tensor in sorted(base.named_parameters()):
        if not name.startswith(heads):
            found.update(f"{name}\0{tensor.dtype}\0{list(tensor.shape)}\0".encode())
            found.update(_bytes_of(tensor))
    return found.hexdigest()


def _bytes_of(tensor: Tensor | nn.Parameter) -> memoryview:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
