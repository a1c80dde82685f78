"""A saved READ: ``read_config.json``, ``read_model.safetensors`` and a model card, in a folder or on the hub.

The files may be anyone's: they are read as data, names and sizes and numbers checked, and name no code.
"""

from collections.abc import Callable
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from read_repro.errors import InputError
from read_repro.foreign import reason, regular_file, shown
from read_repro.hf.adapters import ReadAdapter
from read_repro.hf.base_model import BaseIdentity
from read_repro.hf.card import write_card
from read_repro.hf.saved import SavedConfig, read_saved_config

CONFIG_FILE = "read_config.json"
MODEL_FILE = "read_model.safetensors"


@dataclass(frozen=True)
class SavedRead:
    """A READ in a folder, its configuration read."""

    folder: Path
    config: SavedConfig

    def fill(self, read: ReadAdapter) -> None:
        """Put the saved weights into a READ of the same settings beside a base of the same sizes.

        Raises:
            InputError: the file is not whole, not finite, or another READ's.
        """
        path = self.folder / MODEL_FILE
        tensors = _checked(path, {name: tuple(tensor.shape) for name, tensor in read.state_dict().items()})
        read.load_state_dict(tensors)
        read.facts = self.config.facts


def write_saved(folder: Path, base: BaseIdentity, read: ReadAdapter) -> None:
    """Write a READ beside what is known of its base; a folder that is there is written into."""
    config = SavedConfig(base=base, read=read.config.keywords(), facts=read.facts)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in read.state_dict().items()}
    temporary = folder / f"{MODEL_FILE}.tmp"  # whoever has mapped an older file into memory keeps that one
    save_file(tensors, temporary, metadata={"format": "pt"})
    temporary.replace(folder / MODEL_FILE)
    text = dumps(config.as_json(), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / CONFIG_FILE).write_text(f"{text}\n", encoding="utf-8")
    write_card(folder, config, sum(tensor.numel() for tensor in tensors.values()))


def read_saved(model_id: str | Path, *, revision: str | None = None, token: str | None = None) -> SavedRead:
    """A READ from a folder, or else from the hub.

    Raises:
        InputError: neither has it, or it is not plain data.
    """
    folder = Path(model_id)
    if not folder.is_dir():
        folder = _from_hub(str(model_id), revision, token)
    return SavedRead(folder, read_saved_config(folder / CONFIG_FILE))


def hub_upload(
    write: Callable[[Path], None],
    repo_id: str,
    *,
    commit_message: str = "READ, trained beside a frozen model",
    private: bool | None = None,
    token: str | None = None,
    revision: str | None = None,
) -> str:
    """Upload what ``write`` puts into a folder to a repository, which is made if need be; returns the commit.

    Raises:
        InputError: the hub refuses, or does not answer.
    """
    hub = HfApi(token=token, library_name="read-repro")
    try:
        with TemporaryDirectory() as folder:
            write(Path(folder))
            name = hub.create_repo(repo_id, private=private, exist_ok=True).repo_id
            told = hub.upload_folder(repo_id=name, folder_path=folder, commit_message=commit_message, revision=revision)
    except (HfHubHTTPError, HFValidationError, OSError, RuntimeError) as error:  # the last: of a file that does not go
        raise InputError(f"{shown(repo_id)} cannot be uploaded to the hub: {reason(error)}") from error
    return told.oid


def _from_hub(name: str, revision: str | None, token: str | None) -> Path:
    try:
        files = [CONFIG_FILE, MODEL_FILE]
        return Path(snapshot_download(name, allow_patterns=files, revision=revision, token=token))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise InputError(f"{shown(name)} is no folder here, and cannot be had from the hub: {reason(error)}") from error


def _checked(path: Path, wanted: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The tensors of a file that are to have these names and sizes, told by its header, and finite numbers."""
    try:
        with safe_open(regular_file(path), "pt") as file:
            held = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            if odd := sorted(name for name in held.keys() | wanted.keys() if held.get(name) != wanted.get(name)):
                raise InputError(
                    f"{path} does not fit this model: {len(odd)} tensors are missing, left over or of another size, "
                    f"{', '.join(map(shown, odd[:4]))}"
                )
            tensors = {name: file.get_tensor(name) for name in wanted}
    except SafetensorError as error:
        raise InputError(f"{path} is not a whole safetensors file ({reason(error)})") from error
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not torch.isfinite(tensor).all():
            raise InputError(f"{path} holds numbers that are not finite, in {name}: such weights predict nothing")
    return tensors
